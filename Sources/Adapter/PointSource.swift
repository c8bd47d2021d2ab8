import Base

/// The bytes of one point after the other in a reading: the good part that held the point before
/// mostly holds the next one too.
struct PointSource {
    private var table = Table.frame
    private(set) var address = 0
    private var end = Int.min
    private(set) var bytes: [UInt8] = []
    private(set) var at = Moment(.zero, WallTime(milliseconds: 0))
    /// Why there is none for the point that was looked for.
    private(set) var failure: (word: ReadFailure, at: Moment)?

    /// Whether all of the point was read; `bytes` then hold it, from `address` on.
    mutating func finds(_ decoder: Decoder, in reading: Reading) -> Bool {
        if decoder.isScattered { return gather(decoder, from: reading) }
        return holds(decoder) || take(decoder, from: reading)
    }

    /// Registers of the point that was found, as one number.
    func raw(of decoder: Decoder) -> UInt64 { decoder.raw(bytes, from: address) }

    /// False for points of frames, of which nothing is read in advance.
    private func holds(_ decoder: Decoder) -> Bool {
        address <= decoder.address && decoder.address + decoder.count <= end
            && table == decoder.table
    }

    /// Finds the part that holds the whole point; false if there is none, because of what the parts
    /// that touch it, or else any part, failed with. A good part counts more than a failed one.
    private mutating func take(_ decoder: Decoder, from reading: Reading) -> Bool {
        var touching: (word: ReadFailure, at: Moment)?
        var other: (word: ReadFailure, at: Moment)?
        for part in reading.parts {
            switch part.result {
            case .success(let found):
                guard decoder.isCovered(by: part) else { continue }
                (table, address, bytes, at) = (part.table, part.address, found, part.at)
                end = table == .frame ? .min : part.address + part.count
                return true
            case .failure(let word):
                if decoder.touches(part) {
                    touching = (word, part.at)
                } else {
                    other = (word, part.at)
                }
            }
        }
        failure = touching ?? (reading.isPartial ? nil : other)
        return false
    }

    /// Takes the registers of a value that do not follow each other, each from the part that has
    /// it.
    private mutating func gather(_ decoder: Decoder, from reading: Reading) -> Bool {
        var found: [UInt8] = []
        var latest: Moment?
        for register in decoder.coding.registers {
            var word: (word: ReadFailure, at: Moment)?
            var isThere = false
            for part in reading.parts where !isThere && part.holds(register, of: decoder.table) {
                switch part.result {
                case .success(let bytes):
                    let place = 2 * (register - part.address)
                    guard place + 1 < bytes.count else { continue }
                    found += bytes[place...(place + 1)]
                    if latest.map({ $0.instant < part.at.instant }) ?? true { latest = part.at }
                    isThere = true
                case .failure(let failure): word = (failure, part.at)
                }
            }
            if isThere { continue }
            failure = word ?? (reading.isPartial ? nil : reading.firstFailure)
            return false
        }
        guard let latest else { return false }
        (table, address, end, bytes, at) = (decoder.table, decoder.address, .min, found, latest)
        return true
    }
}

extension ReadPart {
    fileprivate func holds(_ register: Int, of other: Table) -> Bool {
        table == other && address <= register && register < address + count
    }
}

extension Reading {
    fileprivate var firstFailure: (word: ReadFailure, at: Moment)? {
        for part in parts {
            if case .failure(let word) = part.result { return (word, part.at) }
        }
        return nil
    }
}
