import Adapter
import Base

/// What a command of one value makes of the point's registers.
func encoded(_ point: Point, _ value: String) -> Result<Order.Data, WriteRefusal> {
    var point = point
    point.writable = point.writable ?? WriteRule()
    var machine = adapter(point)
    do throws(WriteRefusal) {
        let orders = try machine.orders(
            [(point.name, json(value))], of: device("meter-1"), firstID: 1, expires: .distantFuture,
            at: at(0))
        return orders.count == 1
            ? .success(orders[0].data) : .failure(WriteRefusal(.type, "\(orders.count) orders"))
    } catch {
        return .failure(error)
    }
}

func wire(_ hex: String) -> Order.Data {
    let all = bytes(hex)
    return .registers(
        stride(from: 0, to: all.count, by: 2).map { UInt16(all[$0]) << 8 | UInt16(all[$0 + 1]) })
}

func refusalKind(_ result: Result<Order.Data, WriteRefusal>) -> WriteRefusal.Kind? {
    if case .failure(let refusal) = result { refusal.kind } else { nil }
}

/// The JSON text of the value, or the word of why there is none.
func shown(_ point: Point, _ hex: String) -> String {
    let text = body(point, hex)
    let good = #""values":{"v":"#
    let bad = #""values":{},"bad":{"v":""#
    if text.hasPrefix(good), text.hasSuffix("}") {
        return String(text.dropFirst(good.count).dropLast())
    }
    if text.hasPrefix(bad) { return "bad " + text.dropFirst(bad.count).prefix { $0 != "\"" } }
    return text
}

func coded(
    _ type: ValueType, _ order: String = "", _ table: Table = .holding, length: Int = 1,
    as coding: Coding = Coding(),
    byte: RegisterByte = .low, scale: Double = 1
) -> Point {
    Point(
        name: "v", table: table, address: table == .frame ? 0 : 0x20, type: type,
        order: ByteOrder(order), length: length,
        coding: coding, byte: byte, scale: scale)
}

func timeCoding(
    _ text: ByteString, _ digits: TimeLayout.Digits = .binary, _ zone: TimeLayout.Zone = .offset(0)
) -> Coding {
    guard let layout = TimeLayout(text, digits, zone: zone) else {
        fatalError("\(text) is no layout")
    }
    return Coding(layout: layout)
}
