import Adapter
import Base
import Foundation
import Gateway
import Testing

/// Registers and bits of a device as its manual's tables and examples have them, and the values
/// that are published of them. A file of `Golden`, line by line:
///
///     # text                          says where the numbers are from
///     with channels: 2                parameters of the profile
///     node base: 40070                keys of the node
///     names EPsolar / Tracer          vendor and product of function 43/14
///     gaps refused                    a read that touches anything not given here is refused
///     input 0x0046  4247 F5C3         registers from this address on; coil and discrete: 0 and 1
///     frequency = 49.99               what is published of a point; `bad: invalid` if nothing is
struct GoldenReplies {
    var parameters = ""
    var node = ""
    var names: (vendor: String, product: String) = ("", "")
    var refusesGaps = false
    var registers: [Table: [Int: UInt16]] = [:]
    var expected: [(point: String, text: String)] = []

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Golden").path

    /// Names of the files, `PROFILE` or `PROFILE+VARIANT`, without `.txt`.
    static let files: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()
    }()

    struct Broken: Error { var line: String }

    init(_ file: String) throws {
        let text = try String(contentsOfFile: "\(Self.folder)/\(file).txt", encoding: .utf8)
        for line in text.split(separator: "\n").map(String.init) where !line.hasPrefix("#") {
            let words = line.split(separator: " ").map(String.init)
            guard let first = words.first else { continue }
            let rest = words.dropFirst().joined(separator: " ")
            if let table = Table(rawValue: first) {
                try read(table, words.dropFirst(), line)
            } else if words.count > 2, words[1] == "=" {
                expected.append((first, words.dropFirst(2).joined(separator: " ")))
            } else if first == "with" {
                parameters = rest
            } else if first == "node" {
                node = rest
            } else if first == "names" {
                let parts = rest.components(separatedBy: " / ")
                names = (parts[0], parts.count > 1 ? parts[1] : "")
            } else if line == "gaps refused" {
                refusesGaps = true
            } else {
                throw Broken(line: line)
            }
        }
    }

    private mutating func read(_ table: Table, _ words: ArraySlice<String>, _ line: String) throws {
        let digits = words.first.map { $0.hasPrefix("0x") ? $0.dropFirst(2) : $0[...] } ?? ""
        let radix = words.first?.hasPrefix("0x") == true ? 16 : 10
        guard var address = Int(digits, radix: radix) else { throw Broken(line: line) }
        for word in words.dropFirst() {
            guard let value = UInt16(word, radix: 16) else { throw Broken(line: line) }
            if registers[table, default: [:]].updateValue(value, forKey: address) != nil {
                throw Broken(line: line)
            }
            address += 1
        }
    }

    /// Reply to one read; what is not given reads as 0, or is refused.
    func reply(_ span: Span) -> Result<[UInt8], ReadFailure> {
        let held = registers[span.table] ?? [:]
        let items = (span.address..<span.address + span.count).map { held[$0] }
        if refusesGaps, items.contains(nil) { return .failure(.exception(2)) }
        let values = items.map { $0 ?? 0 }
        if span.table.isRegisters {
            return .success(values.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] })
        }
        var bytes = [UInt8](repeating: 0, count: (values.count + 7) / 8)
        for (index, value) in values.enumerated() where value != 0 {
            bytes[index / 8] |= 1 << UInt8(index % 8)
        }
        return .success(bytes)
    }
}

@Suite struct GoldenReplyTests {
    private static func profile(_ file: String) -> String {
        String(file.split(separator: "+")[0])
    }

    @Test func everyProfileHasAReplySet() {
        let modbus = Set(GoldenReplies.files.map(Self.profile))
        let frames = Set(UARTProfileTests.samples.map(\.profile))
        #expect(modbus.union(frames) == Set(ProfileFolder.names))
    }

    @Test(arguments: GoldenReplies.files) func aReplySetGivesItsValues(_ file: String) throws {
        let golden = try GoldenReplies(file)
        let node = try node(file, golden)
        let address = Address(port: PortName("a"), unit: node.unit)
        var adapter = Adapter([
            Binding(device: node.device, address: address, points: node.points)
        ])
        let now = Moment(.zero, WallTime(milliseconds: 1_800_000_000_000))
        let parts = node.points.flatMap(\.spans).map {
            ReadPart($0.table, $0.address, $0.count, golden.reply($0), at: now)
        }
        var found: [ByteString: String] = [:]
        for interval in Set(node.points.map(\.interval)) {
            for record in adapter.receive(Reading(address, every: interval, parts)) {
                let json = try JSONReader.parse([0x7B] + record.body + [0x7D])
                for member in json["values"]?.members ?? [] {
                    found[member.name] = member.value.text
                }
                for member in json["bad"]?.members ?? [] {
                    found[member.name] = "bad: \(member.value.string?.string ?? "")"
                }
            }
        }
        for (point, text) in golden.expected {
            #expect(found[ByteString(point)] == text, "\(point)")
        }
        let told = Set(golden.expected.map { ByteString($0.point) })
        #expect(told.count == golden.expected.count, "a point is expected twice")
        #expect(Set(found.keys).subtracting(told) == [], "nothing is expected of these points")
    }

    /// Reads as the planner merges them touch nothing that the device refuses.
    @Test(arguments: GoldenReplies.files) func theReadsFitTheDevice(_ file: String) throws {
        let golden = try GoldenReplies(file)
        guard golden.refusesGaps else { return }
        let plan = try #require(configuration(file, golden)).ports[0].readPlan
        for read in plan.reads {
            let span = Span(read.table, read.address, read.count, every: read.interval)
            let isAnswered = (try? golden.reply(span).get()) != nil
            #expect(isAnswered, "\(read.table) \(read.address), \(read.count)")
        }
    }

    @Test(arguments: GoldenReplies.files) func theDeviceIsRecognised(_ file: String) throws {
        let golden = try GoldenReplies(file)
        let name = Self.profile(file)
        let (profile, _) = Configuration.readProfile(ProfileFolder.bytes(name), fileName: name)
        for mark in try #require(profile).identify {
            switch mark {
            case .value:
                let span = try #require(mark.span)
                let now = Moment(.zero, WallTime(milliseconds: 0))
                let part = ReadPart(
                    span.table, span.address, span.count, golden.reply(span), at: now)
                #expect(mark.accepts(part), "\(span.table) \(span.address)")
            case .identification:
                #expect(mark.accepts(vendor: golden.names.vendor, product: golden.names.product))
            case .serverID: Issue.record("reply sets have no server id yet")
            }
        }
    }

    private func configuration(_ file: String, _ golden: GoldenReplies) -> Configuration? {
        let (configuration, diagnostics) = ProfileFolder.read(
            Self.profile(file), node: golden.node, parameters: golden.parameters)
        #expect(diagnostics.map(\.description) == [])
        return configuration
    }

    private func node(_ file: String, _ golden: GoldenReplies) throws -> Configuration.Node {
        let first = configuration(file, golden)?.ports[0].nodes.first
        return try #require(first)
    }
}
