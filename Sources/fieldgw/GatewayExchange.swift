import Adapter
import Base
import Drivers
import Gateway
import Modbus
import Platform

/// Reading and writing through the control socket of the gateway that holds the port.
struct GatewayExchange {
    let socket: String
    let port: String

    /// The gateway finishes the exchange under way first, and then has its own retries.
    private static let patience = Duration.seconds(30)

    func ask(_ body: (inout JSONWriter) -> Void) -> Result<JSON, Trouble> {
        var writer = JSONWriter()
        writer.object(body)
        let answer: [UInt8]
        do throws(SystemFailure) {
            answer = try ControlClient.ask(socket, writer.bytes, within: Self.patience)
        } catch {
            let (words, code) = ControlClient.complaint(error, socket)
            return .failure(Trouble(code == .noPermission ? .denied : .unavailable, words))
        }
        return Self.document(answer, of: "the gateway at \(socket)")
    }

    /// An answer that says what was asked for, or why not.
    static func document(_ answer: [UInt8], of gateway: String) -> Result<JSON, Trouble> {
        guard let document = try? JSONReader.parse(answer), document.members != nil else {
            return .failure(
                Trouble(.unavailable, "\(gateway) gave an answer that is no JSON object"))
        }
        guard let complaint = document["error"]?.string else { return .success(document) }
        let kind = document["kind"]?.string.flatMap { Trouble.Kind(word: $0) } ?? .unavailable
        let code = document["exception"]?.integer.flatMap { UInt8(exactly: $0) }
        return .failure(Trouble(kind, Notice.printable(complaint), exception: code))
    }

    private func place(_ exchange: RegisterExchange, in writer: inout JSONWriter) {
        writer.member("port", port)
        writer.member("unit", exchange.unit)
        writer.member("table", exchange.codec.table.rawValue)
        writer.member("address", exchange.codec.address)
    }

    /// Type, order and sign of the point at that place; nil if there is none, or the gateway is too
    /// old to say.
    func type(_ exchange: RegisterExchange) -> (type: ValueType, order: String?, sign: Coding.Sign)?
    {
        let answer = ask { writer in
            writer.member("get", "point")
            place(exchange, in: &writer)
        }
        guard case .success(let document) = answer,
            let type = document["type"]?.string.flatMap({ ValueType(word: $0) })
        else { return nil }
        let sign = document["sign"]?.string.flatMap { Coding.Sign(word: $0) } ?? .complement
        return (type, document["order"]?.string?.string, sign)
    }

    func read(
        _ exchange: RegisterExchange, count: Int? = nil
    ) -> Result<RegisterExchange.Read, Trouble> {
        let count = count ?? exchange.codec.count
        let answer = ask { writer in
            writer.key("read")
            writer.object { writer in
                place(exchange, in: &writer)
                writer.member("count", count)
            }
        }
        return answer.mapError { explain($0, exchange, exchange.readRequest(count: count)) }.flatMap
        { document in
            guard
                let bytes = Self.bytes(document, isBits: exchange.codec.table.isBits, count: count)
            else {
                return .failure(
                    Trouble(
                        .unavailable,
                        "the gateway's answer has not the \(Plural.text(count, "value")) asked for")
                )
            }
            return .success(RegisterExchange.Read(bytes: bytes, turnaround: nil))
        }
    }

    func write(
        _ exchange: RegisterExchange, _ data: RegisterValues, readsBack: Bool, multiple: Bool
    ) -> Result<RegisterExchange.Written, Trouble> {
        let answer = ask { writer in
            writer.key("write")
            writer.object { writer in
                place(exchange, in: &writer)
                if multiple { writer.member("multiple", true) }
                if exchange.isForced { writer.member("force", true) }
                writer.key("values")
                writer.array { writer in
                    switch data {
                    case .registers(let words): for word in words { writer.integer(word) }
                    case .bits(let flags): for flag in flags { writer.bool(flag) }
                    }
                }
            }
        }
        let request = RegisterExchange.request(exchange.codec.address, data, multiple: multiple)
        return answer.mapError { explain($0, exchange, request) }.map { _ in
            RegisterExchange.Written(readBack: readsBack ? read(exchange, count: data.count) : nil)
        }
    }

    /// The gateway knows the code, and we what it mostly means for such a request.
    private func explain(
        _ trouble: Trouble, _ exchange: RegisterExchange, _ request: Request?
    ) -> Trouble {
        guard trouble.kind == .exception, let code = trouble.exception, let request else {
            return trouble
        }
        return .refusal(ExceptionCode(rawValue: code), unit: exchange.unit, to: request)
    }

    /// `registers` or `bits` of an answer as they would stand in a frame.
    private static func bytes(_ document: JSON, isBits: Bool, count: Int) -> [UInt8]? {
        guard let items = document[isBits ? "bits" : "registers"]?.array, items.count == count
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: isBits ? (count + 7) / 8 : 2 * count)
        for (index, item) in items.enumerated() {
            if isBits {
                guard let flag = item.bool ?? item.integer.map({ $0 != 0 }) else { return nil }
                if flag { bytes[index / 8] |= 1 << UInt8(index % 8) }
            } else {
                guard let word = item.integer.flatMap({ UInt16(exactly: $0) }) else { return nil }
                bytes[2 * index] = UInt8(word >> 8)
                bytes[2 * index + 1] = UInt8(word & 0xFF)
            }
        }
        return bytes
    }
}
