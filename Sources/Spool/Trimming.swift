import Base

/// A recovered file is never appended to: what it was preallocated for goes back, one file after
/// the other, or every restart in an outage would cost a whole segment of the bound.
extension Spool {
    mutating func trimSegments() {
        for place in catalogue.indices
        where catalogue[place].alive > 0 && !catalogue[place].isRemoving && !catalogue[place].isRewriting {
            let spare = catalogue[place].fileSize - trimmedSize(catalogue[place])
            catalogue[place].isTrimming = spare >= 16 << 10
        }
        trimNext()
    }

    private mutating func trimNext() {
        guard let place = catalogue.indices.first(where: { catalogue[$0].isTrimming }) else { return }
        request(.load(name: catalogue[place].name), .trimLoad(segment: catalogue[place].firstSeq))
    }

    private func trimmedSize(_ segment: SegmentState) -> Int { (segment.end + 4095) & ~4095 }

    mutating func trim(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>) {
        if let place = catalogue.index(of: segment), !catalogue[place].isRemoving, !isMemoryOnly,
            case .success(.bytes(let bytes)) = result, bytes.count >= trimmedSize(catalogue[place])
        {
            let kept = Array(bytes[..<trimmedSize(catalogue[place])])
            request(.replace(name: catalogue[place].name, bytes: kept), .trimmed(segment: segment))
        } else {
            endTrim(segment)
        }
    }

    mutating func trimmed(_ segment: UInt64, _ result: Result<DiskAnswer, DiskFailure>) {
        if case .failure = result {
            counters.failures += 1
        } else if let place = catalogue.index(of: segment) {
            catalogue[place].fileSize = trimmedSize(catalogue[place])
        }
        endTrim(segment)
    }

    private mutating func endTrim(_ segment: UInt64) {
        if let place = catalogue.index(of: segment) {
            catalogue[place].isTrimming = false
            if catalogue[place].isDirty, catalogue[place].alive == 0 || isDraining { writePage(place) }
        }
        trimNext()
        reap(segment)
    }
}
