import Base
import Drivers
import Testing

/// A UART driver, its line and whoever answers; time is virtual.
struct UARTRig {
    var driver: UARTDriver
    var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    /// What a request brings, and how long after it was sent.
    var answer: ([UInt8], Int) -> (bytes: [UInt8], after: Duration)?

    private(set) var readings: [(at: Instant, reading: Reading)] = []
    private(set) var outcomes: [Outcome] = []
    private(set) var states: [(unit: UnitID, state: UnitState, at: Instant)] = []
    private(set) var sent: [(bytes: [UInt8], at: Instant)] = []
    private(set) var notices: [Notice] = []
    private var arrivals: [(at: Instant, bytes: [UInt8])] = []

    init(
        _ nodes: [UARTDriver.Node], timeout: Duration = .milliseconds(200), retries: Int = 2,
        answer: @escaping ([UInt8], Int) -> (bytes: [UInt8], after: Duration)? = { _, _ in nil }
    ) {
        let settings = UARTDriver.Settings(
            port: PortName("u"), line: line(9600, .none), responseTimeout: timeout,
            retries: retries,
            nodes: nodes)
        driver = UARTDriver(settings, seed: 1)
        self.answer = answer
    }

    mutating func open() {
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    mutating func close() {
        arrivals.removeAll()
        driver.closed(at: now)
        drain()
    }

    mutating func submit(_ order: Order) {
        driver.submit(order, at: now)
        drain()
    }

    /// Bytes that arrive now.
    mutating func hear(_ bytes: [UInt8]) {
        driver.receive(bytes[...], at: now)
        drain()
    }

    mutating func hear(_ text: String) { hear(Array(text.utf8)) }

    /// Returns the number of events, which is bounded: a driver that spins fails here.
    @discardableResult
    mutating func run(for time: Duration, events limit: Int = 100_000) -> Int {
        let end = now.instant + time
        for count in 0..<limit {
            let arrival = arrivals.first?.at ?? .distantFuture
            let due = driver.deadline?.due ?? .distantFuture
            let next = min(arrival, due)
            guard next <= end else {
                now = now + (end - now.instant)
                return count
            }
            if next > now.instant { now = now + (next - now.instant) }
            if arrival <= due {
                hear(arrivals.removeFirst().bytes)
            } else {
                driver.timeout(at: now)
                drain()
            }
        }
        Issue.record("more than \(limit) events")
        return limit
    }

    /// What the good readings of a unit hold, in order.
    func frames(of number: Int = 1) -> [[UInt8]] {
        readings.compactMap { one in
            guard one.reading.address.unit == unit(number) else { return nil }
            return try? one.reading.parts[0].result.get()
        }
    }

    func failures(of number: Int = 1) -> [ReadFailure] {
        readings.compactMap { one in
            guard one.reading.address.unit == unit(number) else { return nil }
            guard case .failure(let failure) = one.reading.parts[0].result else { return nil }
            return failure
        }
    }

    private mutating func drain() {
        for _ in 0..<10_000 {
            guard let output = driver.next() else { return }
            switch output {
            case .line(.transmit(let bytes, _)):
                sent.append((bytes, now.instant))
                if let reply = answer(bytes, sent.count - 1) {
                    arrivals.append((now.instant + reply.after, reply.bytes))
                    arrivals.sort { $0.at < $1.at }
                }
            case .reading(let reading): readings.append((now.instant, reading))
            case .outcome(let outcome): outcomes.append(outcome)
            case .setup, .served: break
            case .unit(let address, let state, let moment):
                states.append((address.unit, state, moment.instant))
            case .notice(let notice): notices.append(notice)
            case .line, .learned: break
            }
        }
        Issue.record("outputs without end")
    }
}

/// Formats and frames of real devices.
enum UARTSamples {
    /// Plantower PMS5003 (data manual V2.3): start, length 28, PM1.0/2.5/10 (CF=1), PM1.0/2.5/10
    /// (atmosphere), six particle counts, version and error code, sum of all bytes before.
    static let pms = hex(
        "42 4D 00 1C 00 05 00 09 00 0A 00 05 00 09 00 0A 03 57 01 03 00 4E 00 03 00 01 00 01 97 00 02 23"
    )
    static let pmsLater = hex(
        "42 4D 00 1C 00 06 00 0B 00 0C 00 06 00 0B 00 0C 03 A2 01 11 00 52 00 04 00 01 00 00 97 00 02 8A"
    )
    static let pmsFormat = UARTProtocol(
        frame: .init(start: [0x42, 0x4D], end: .length(at: 2, bytes: 2, adds: 4), max: 64),
        checksum: .init(type: .sum16, from: 0, to: -2, at: -2))

    /// Winsen MH-Z19 (manual V1.0): read CO₂; the answer says 608 ppm.
    static let co2Request = hex("FF 01 86 00 00 00 00 00 79")
    static let co2 = hex("FF 86 02 60 47 00 00 00 D1")
    static let co2Format = UARTProtocol(
        request: co2Request, frame: .init(start: [0xFF, 0x86], end: .fixed(9)),
        checksum: .init(type: .twosComplement, from: 1, to: -1, at: -1))

    /// A weighing scale: stable, gross, weight.
    static let scale = Array("ST,GS,+  12.34kg\r\n".utf8)
    static let scaleFormat = UARTProtocol(frame: .init(end: .terminator([13, 10]), max: 32))

    /// NMEA 0183: exclusive or of what is between $ and *.
    static let gga = Array(
        "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n".utf8)
    static let nmeaFormat = UARTProtocol(
        frame: .init(start: [0x24], end: .terminator([13, 10]), max: 82),
        checksum: .init(type: .nmea, from: 1, to: -5, at: -4))

    static func hex(_ text: String) -> [UInt8] { Hex.decode(text) ?? [] }

    static func node(
        _ format: UARTProtocol, _ number: Int = 1, every intervals: Duration...
    ) -> UARTDriver.Node {
        UARTDriver.Node(
            unit: unit(number), format: format,
            intervals: intervals.isEmpty ? [.seconds(1)] : intervals)
    }
}
