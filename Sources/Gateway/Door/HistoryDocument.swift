import Adapter
import Base

/// The past of one device's points:
/// `{"device","step":10,"from","to","points":{"power":{"units":"W","buckets":[[ms,last,min,max,count],…]}}}`.
/// `ms` is when a bucket begins, in milliseconds since the epoch; a bucket without a good value is
/// left out.
struct HistoryDocument: SlicedDocument {
    /// Steps of one answer; more become wider.
    private static let bucketsMax: Int64 = 2000

    private let device: DeviceID
    private let names: [ByteString]
    /// Fine buckets: the first, how many, and how many together.
    private let first: Int64
    private let end: Int64
    private let step: Int64
    private var point = 0
    private var next: Int64
    private var writer = JSONWriter()
    private var isBegun = false

    /// - Parameter only: nil: all points.
    init(
        _ device: DeviceID, only: Set<ByteString>?, points: [Point], from: Instant, to: Instant,
        step: Duration
    ) {
        self.device = device
        names = points.map { only?.contains($0.name) ?? true ? $0.name : "" }
        let start = max(0, History.number(from))
        let length = max(1, History.number(to) + 1 - start)
        var step = max(
            1, (step.nanoseconds + History.fineStep.nanoseconds - 1) / History.fineStep.nanoseconds)
        step = max(step, (length + Self.bucketsMax - 1) / Self.bucketsMax)
        // From there on older values are known, which are in coarse buckets.
        if step >= History.coarseFactor {
            step = (step + History.coarseFactor - 1) / History.coarseFactor * History.coarseFactor
        }
        self.step = step
        first = start / step * step
        end = start + length
        next = first
    }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        if !isBegun { begin(at: now) }
        let binding = gateway.adapter.binding(of: device)
        while point < names.count {
            if next == first {
                guard !names[point].isEmpty else {
                    point += 1
                    continue
                }
                writer.key(names[point])
                writer.beginObject()
                if let units = binding?.points.first(where: { $0.name == names[point] })?.units {
                    writer.member("units", units)
                }
                writer.key("buckets")
                writer.beginArray()
            }
            while next < end {
                if writer.bytes.count >= DocumentSlice.sizeAimed {
                    return DocumentSlice(bytes: writer.takeBytes(), rest: .more)
                }
                write(gateway.door.history, at: now)
                next += step
            }
            writer.endArray()
            writer.endObject()
            point += 1
            next = first
        }
        writer.endObject()
        writer.endObject()
        return DocumentSlice(bytes: writer.takeBytes(), rest: .done)
    }

    private mutating func begin(at now: Moment) {
        isBegun = true
        writer.beginObject()
        writer.member("device", device.text)
        writer.member("step", Int(step) * Int(History.fineStep.milliseconds / 1000))
        writer.member("from", Self.wall(first, at: now))
        writer.member("to", Self.wall(end, at: now))
        writer.key("points")
        writer.beginObject()
    }

    private static func wall(_ number: Int64, at now: Moment) -> WallTime {
        now.at(Instant(nanoseconds: number * History.fineStep.nanoseconds)).wall
    }

    private mutating func write(_ history: History?, at now: Moment) {
        guard let history, let place = history.place(of: device),
            let bucket = history.bucket(point: place + point, from: next, length: step)
        else { return }
        writer.beginArray()
        writer.integer(Int(Self.wall(next, at: now).milliseconds))
        writer.number(bucket.last)
        writer.number(bucket.low)
        writer.number(bucket.high)
        writer.integer(bucket.count)
        writer.endArray()
    }
}

extension Gateway {
    /// Adds the values of a reading to the history.
    mutating func keepHistory(of reading: Reading, _ device: DeviceID) {
        guard let place = door.history?.place(of: device) else { return }
        for (index, value) in adapter.lastValues(of: device).enumerated() {
            guard value.bad == nil, let at = value.at?.instant, let number = value.number,
                reading.parts.contains(where: { $0.at.instant == at })
            else { continue }
            door.record(number, point: place + index, at: at)
        }
    }

    /// The document that a query asks for; `from` and `to` are times or milliseconds, by default
    /// the last hour.
    func history(
        _ query: (ByteString) -> ByteString?, points: [ByteString], at now: Moment
    ) throws(Control.Misuse) -> HistoryDocument {
        guard let name = query("device") else {
            throw Control.Misuse(reason: "\"device\" is needed")
        }
        let device = try device(named: JSON(.string(name)))
        guard let settings = door.settings?.history, door.history != nil else {
            throw Control.Misuse(
                reason: "no history is kept: see `http.history`", kind: "unavailable")
        }
        let all = adapter.binding(of: device)?.points ?? []
        for point in points where !all.contains(where: { $0.name == point }) {
            let guess = Suggestion.clause(for: point, in: all.map(\.name))
            throw Control.Misuse(
                reason: "\(device) has no point \"\(Notice.printable(point))\"\(guess)")
        }
        func time(_ key: ByteString, else standard: Instant) throws(Control.Misuse) -> Instant {
            guard let text = query(key) else { return standard }
            guard
                let wall = Int64(text.prefix(16)).map(WallTime.init(milliseconds:))
                    ?? WallTime(timestamp: text.string)
            else {
                throw Control.Misuse(
                    reason: "\"\(key)\" is a time such as 2026-11-22T09:00:00Z, or milliseconds")
            }
            return now.instant + (wall - now.wall)
        }
        let to = min(now.instant, try time("to", else: now.instant))
        let oldest = now.instant - settings.keep
        let from = min(to, max(oldest, try time("from", else: now.instant - .seconds(3600))))
        // What the fine buckets do not hold any more is asked of the coarse ones.
        let isOld = now.instant - from > .seconds(3600) + History.fineStep
        var step = isOld ? History.fineStep * Int(History.coarseFactor) : History.fineStep
        if let text = query("step") {
            guard let wish = Quantity.duration(text), wish > .zero else {
                throw Control.Misuse(reason: "\"step\" is a duration; \(Quantity.durationHint)")
            }
            step = max(step, wish)
        }
        return HistoryDocument(
            device, only: points.isEmpty ? nil : Set(points), points: all, from: from, to: to,
            step: step)
    }
}

extension LastValue {
    /// Its number; true and false are 1 and 0, anything else has none.
    fileprivate var number: Double? {
        switch json {
        case "true": 1
        case "false": 0
        default: json.flatMap { Double($0) }
        }
    }
}
