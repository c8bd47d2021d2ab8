import Adapter
import Base
import TestKit

let busA = PortName("bus-a")

func device(_ name: String) -> DeviceID {
    do { return try DeviceID(name) } catch { fatalError("\(name) \(error.reason)") }
}

func at(_ seconds: Double) -> Moment {
    let nanoseconds = Int64(seconds * 1e9)
    return Moment(
        Instant(nanoseconds: nanoseconds),
        WallTime(milliseconds: 1_700_000_000_000 + nanoseconds / 1_000_000))
}

func address(_ unit: Int, port: PortName = busA) -> Address {
    Address(port: port, unit: UnitID(unit)!)
}

func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex)! }

/// An adapter with one device, "meter-1" at unit 1.
func adapter(_ points: Point...) -> Adapter {
    Adapter([Binding(device: device("meter-1"), address: address(1), points: points)])
}

func good(_ table: Table, _ start: Int, _ hex: String, at seconds: Double = 1) -> ReadPart {
    let data = bytes(hex)
    let count = table.isBits ? data.count * 8 : table == .frame ? data.count : data.count / 2
    return ReadPart(table, start, count, .success(data), at: at(seconds))
}

func failed(
    _ table: Table, _ start: Int, _ count: Int, _ why: ReadFailure, at seconds: Double = 1
) -> ReadPart {
    ReadPart(table, start, count, .failure(why), at: at(seconds))
}

func reading(_ parts: ReadPart..., every interval: Duration = .seconds(10)) -> Reading {
    Reading(address(1), every: interval, parts)
}

/// What one point makes of the bytes that stand at its address: the whole body of the telemetry.
func body(_ point: Point, _ hex: String) -> String {
    var machine = adapter(point)
    let part = good(point.table, point.table == .frame ? 0 : point.address, hex)
    guard let first = machine.receive(reading(part, every: point.interval)).first else {
        return "nothing"
    }
    return String(decoding: first.body, as: UTF8.self)
}

extension Telemetry {
    var text: String { String(decoding: body, as: UTF8.self) }
}

func json(_ text: String) -> JSON {
    do { return try JSONReader.parse(text) } catch { fatalError(error.message) }
}
