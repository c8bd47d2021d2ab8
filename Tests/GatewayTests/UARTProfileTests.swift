import Adapter
import Base
import Drivers
import Gateway
import Testing

/// A line with one node that uses a profile, from bytes to what is published; time is virtual.
private struct ProfileLine {
    var driver: UARTDriver
    var adapter: Adapter
    var now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
    /// What each request gets, in turn; the last one again and again.
    var replies: [[UInt8]] = []
    private(set) var published: [String] = []
    private(set) var sent: [[UInt8]] = []
    private var due: (at: Instant, bytes: [UInt8])?

    init(_ profile: String, node: String) throws {
        let (configuration, diagnostics) = ProfileFolder.read(profile, node: node)
        #expect(diagnostics.map(\.description) == [])
        let read = try #require(configuration)
        guard case .uart(let settings) = read.ports[0].driverSettings else { throw ExpectedUART() }
        driver = UARTDriver(settings, seed: 1)
        adapter = Adapter(read.bindings)
        driver.opened(LineFacts(path: "/dev/test", isPseudoTerminal: false), at: now)
        drain()
    }

    struct ExpectedUART: Error {}

    mutating func hear(_ bytes: [UInt8]) {
        driver.receive(bytes[...], at: now)
        drain()
    }

    mutating func run(for time: Duration) {
        let end = now.instant + time
        for _ in 0..<10_000 {
            let next = min(due?.at ?? .distantFuture, driver.deadline?.due ?? .distantFuture)
            guard next <= end else {
                now = now + (end - now.instant)
                return
            }
            if next > now.instant { now = now + (next - now.instant) }
            if let arrived = due, arrived.at <= now.instant {
                due = nil
                hear(arrived.bytes)
            } else {
                driver.timeout(at: now)
                drain()
            }
        }
        Issue.record("the driver spins")
    }

    private mutating func drain() {
        while let output = driver.next() {
            switch output {
            case .reading(let reading):
                published += adapter.receive(reading).map {
                    String(decoding: $0.body, as: UTF8.self)
                }
            case .line(.transmit(let bytes, _)):
                sent.append(bytes)
                if let reply = replies.first { due = (now.instant + .milliseconds(20), reply) }
                if replies.count > 1 { replies.removeFirst() }
            default: break
            }
        }
    }
}

@Suite struct UARTProfileTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        var profile: String
        /// Text, or `hex:` and bytes.
        var frame: String
        var published: String
        var request: String? = nil
        var node = ""
        var testDescription: String { "\(profile) \(frame)" }

        var bytes: [UInt8] { Self.bytes(frame) }

        static func bytes(_ text: String) -> [UInt8] {
            text.hasPrefix("hex:") ? Hex.decode(text.dropFirst(4)) ?? [] : Array(text.utf8)
        }
    }

    static let samples = [
        // The best known sentences of all, and a receiver in Oregon.
        Sample(
            profile: "nmea-gga",
            frame: "$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n",
            published:
                #""values":{"time":"123519","latitude":48.1173,"longitude":11.516667,"quality":"gps","#
                + #""satellites":8,"dilution":0.9,"altitude":545.4}"#),
        Sample(
            profile: "nmea-gga",
            frame:
                "$GNGGA,001043.00,4404.14036,S,12118.85961,W,1,12,0.98,1113.0,M,-21.3,M,,*5A\r\n",
            published:
                #""values":{"time":"001043.00","latitude":-44.069006,"longitude":-121.31432683,"#
                + #""quality":"gps","satellites":12,"dilution":0.98,"altitude":1113}"#),
        Sample(  // no fix
            profile: "nmea-gga", frame: "$GPGGA,123519,,,,,0,00,99.9,,M,,M,,*7C\r\n",
            published:
                #""values":{"time":"123519","quality":"none","satellites":0},"bad":{"latitude":"invalid","#
                + #""longitude":"invalid","dilution":"invalid","altitude":"invalid"}"#),
        Sample(
            profile: "nmea-rmc",
            frame: "$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n",
            published:
                #""values":{"time":"123519","status":"A","latitude":48.1173,"longitude":11.516667,"#
                + #""speed":22.4,"course":84.4,"date":"230394"}"#),
        Sample(  // a receiver's warning
            profile: "nmea-rmc", frame: "$GNRMC,123519,V,,,,,,,230394,,,N*4F\r\n",
            published:
                #""values":{"time":"123519","status":"V"},"bad":{"latitude":"invalid","longitude":"invalid","#
                + #""speed":"invalid","course":"invalid","date":"invalid"}"#),
        // Start, length 28; CF=1: 5, 9, 10; atmosphere: 5, 9, 10; six counts; version, error; sum.
        Sample(
            profile: "pms5003",
            frame:
                "hex:42 4D 00 1C 00 05 00 09 00 0A 00 05 00 09 00 0A 03 57 01 03 00 4E 00 03 00 01 00 01 97 00 02 23",
            published:
                #""values":{"pm1":5,"pm25":9,"pm10":10,"count03":855,"count05":259,"count1":78,"#
                + #""count25":3,"count5":1,"count10":1}"#),
        // Start, command; 0x007B, 0x01C8 low byte first; id; sum of the six; tail.
        Sample(
            profile: "sds011", frame: "hex:AA C0 7B 00 C8 01 A1 60 45 AB",
            published: #""values":{"pm25":12.3,"pm10":45.6}"#),
        // Start, gas, unit, decimals, 37 ppb, range 5000 ppb, two's complement.
        Sample(
            profile: "winsen-ze08", frame: "hex:FF 17 04 00 00 25 13 88 25",
            published: #""values":{"formaldehyde":37,"fullRange":5000}"#),
        // Start, command, 608 ppm, four bytes of no meaning here, two's complement.
        Sample(
            profile: "mh-z19", frame: "hex:FF 86 02 60 47 00 00 00 D1",
            published: #""values":{"co2":608}"#,
            request: "hex:FF 01 86 00 00 00 00 00 79"),
        Sample(
            profile: "mt-sics", frame: "S S     100.00 g\r\n",
            published: #""values":{"weight":100,"unit":"g","stability":"S"}"#, request: "SI\r\n"),
        Sample(
            profile: "mt-sics", frame: "S D     -12.345 kg\r\n",
            published: #""values":{"weight":-12.345,"unit":"kg","stability":"D"}"#,
            request: "SI\r\n"),
        Sample(  // not executable just now
            profile: "mt-sics", frame: "S I\r\n",
            published: #""values":{"stability":"I"},"bad":{"weight":"format","unit":"format"}"#,
            request: "SI\r\n"),
        Sample(
            profile: "and-balance", frame: "ST,+00123.45  g\r\n",
            published: #""values":{"weight":123.45,"unit":"g","status":"ST"}"#, request: "Q\r\n"),
        Sample(  // overload
            profile: "and-balance", frame: "OL,+9999999E+19\r\n",
            published: #""values":{"status":"OL"},"bad":{"weight":"invalid","unit":"format"}"#,
            request: "Q\r\n"),
        Sample(  // in stream mode
            profile: "and-balance", frame: "US,-00000.12  g\r\n",
            published: #""values":{"weight":-0.12,"unit":"g","status":"US"}"#, node: "request: null"
        ),
        Sample(  // a soil probe at address 3: moisture, temperature, conductivity
            profile: "sdi12", frame: "3+1859.7+22.1-0.12\r\n",
            published: #""values":{"value1":1859.7,"value2":22.1,"value3":-0.12}"#, request: "3R0!",
            node:
                #"id: "3", fields: { value2: { index: 2, split: "signs" }, value3: { index: 3, split: "signs" } }"#
        ),
    ]

    @Test(arguments: samples) func aFrameBecomesItsValues(_ sample: Sample) throws {
        var line = try ProfileLine(sample.profile, node: sample.node)
        line.replies = [sample.bytes]
        if sample.request == nil {
            // Long enough for any format to take the next byte as a start.
            line.run(for: .milliseconds(1100))
            line.hear(sample.bytes)
        }
        line.run(for: .seconds(10))
        #expect(line.published.first == sample.published)
        #expect(line.sent.first == sample.request.map(Sample.bytes))
    }

    /// Whatever was on the line before, of two sound frames behind it one at least is found.
    @Test(arguments: samples) func noiseCostsOneFrameAtMost(_ sample: Sample) throws {
        var random = RandomSource(seed: 99)
        for round in 0..<12 {
            var line = try ProfileLine(sample.profile, node: sample.node)
            let starts = sample.bytes.prefix(3)
            let noise = (0..<Int(random.next() % 700)).map { index -> UInt8 in
                // Every other round it is full of false starts.
                round % 2 == 0 && index % 5 < starts.count
                    ? starts[index % 5] : UInt8(truncatingIfNeeded: random.next())
            }
            if sample.request == nil {
                line.run(for: .milliseconds(1100))
                line.hear(noise)
                line.run(for: .milliseconds(400))
                line.hear(sample.bytes)
                line.run(for: .milliseconds(400))
                line.hear(sample.bytes)
                line.run(for: .seconds(12))
            } else {
                line.replies = [noise.isEmpty ? [0] : noise, noise + sample.bytes, sample.bytes]
                line.run(for: .seconds(60))
            }
            #expect(line.published.contains(sample.published), "round \(round): \(line.published)")
            #expect(line.driver.statistics.strayBytes <= line.driver.statistics.bytesReceived)
        }
    }

    @Test func twoProbesOnOneLineAreAskedByTheirIDs() throws {
        let nodes = (0..<2).map { #""probe-\#($0)": { profile: "sdi12", id: \#($0) }"# }.joined(
            separator: ", ")
        let text = #"u: { device: "/u", driver: "uart", nodes: { \#(nodes) } }"#
        let (configuration, diagnostics) = Configuration.read(
            Array(Samples.withPorts(text).utf8), fileName: "gw.json5"
        ) { ProfileFolder.load($0) }
        #expect(diagnostics.map(\.description) == [])
        let formats = configuration?.ports[0].nodes.compactMap(\.uart) ?? []
        #expect(formats.map(\.request) == [Array("0R0!".utf8), Array("1R0!".utf8)])
        #expect(formats.map(\.frame.start) == [[0x30], [0x31]])
    }

    @Test func aRequestGetsItsChecksumForEachID() throws {
        let node =
            #"id: 7, request: { send: "hex:01 {id} 10", checksum: "crc16-modbus", end: "\r" }, "#
            + #"frame: { start: "hex:02 {id}", fixed: 6 }, checksum: "crc16-modbus", fields: { v: { at: 2, type: "uint16" } }"#
        let text = #"u: { device: "/u", driver: "uart", nodes: { "n-1": { \#(node) } } }"#
        let (configuration, diagnostics) = Samples.read(Samples.withPorts(text))
        #expect(diagnostics.map(\.description) == [])
        let format = configuration?.ports[0].nodes[0].uart
        #expect(format?.request == [0x01, 0x07, 0x10] + crc([0x01, 0x07, 0x10]) + [0x0D])
        #expect(format?.frame.start == [2, 7])
        #expect(
            format?.checksum
                == UARTProtocol.Checksum(
                    type: .crc16Modbus, from: 0, to: -2, at: -2, order: .little))
    }

    private func crc(_ bytes: [UInt8]) -> [UInt8] {
        let value = CRC16.checksum(bytes)
        return [UInt8(value & 0xFF), UInt8(value >> 8)]
    }

    @Test(arguments: [
        (#"frame: { start: "$", end: "\r\n" }, checksum: "nmea""#, 1, -5, -4),
        (#"frame: { end: "\r\n" }, checksum: { type: "sum8", as: "hex" }"#, 0, -4, -4),
        (#"frame: { fixed: 9 }, checksum: "sum8""#, 0, -1, -1),
        (#"frame: { fixed: 9 }, checksum: { type: "sum16", at: 0 }"#, 2, 0, 0),
        (#"frame: { end: "\r" }, checksum: { type: "crc16-arc", at: 3 }"#, 0, 3, 3),
        (#"frame: { end: "\r\n" }, checksum: "sdi12""#, 0, -5, -5),
    ])
    func aChecksumStandsWhereItUsuallyDoes(_ keys: String, _ from: Int, _ to: Int, _ at: Int) throws
    {
        let text =
            #"u: { device: "/u", driver: "uart", nodes: { "n-1": { \#(keys), fields: { v: { index: 0 } } } } }"#
        let (configuration, diagnostics) = Samples.read(Samples.withPorts(text))
        #expect(diagnostics.map(\.description) == [])
        let checksum = try #require(configuration?.ports[0].nodes[0].uart?.checksum)
        #expect((checksum.from, checksum.to, checksum.at) == (from, to, at))
    }
}
