import Base
import Modbus

/// Turns the frames of a driver, which are RTU frames, into the bytes of the line, and back.
///
/// On Modbus TCP each request has a transaction id of its own, and only the first frame with the id
/// of the latest request is passed on. A reply that comes after its request was given up is
/// dropped.
struct WireCodec: Sendable {
    private enum Form: Sendable {
        case plain
        case mbap(MBAPClient)
        case ascii(ASCIIDecoder)
    }

    private var form: Form
    /// Nil unless the line is set by RFC 2217.
    private var comPort: ComPortClient?
    private let settings: LineSettings
    /// The other end speaks another protocol: the reason to give the connection up.
    private(set) var fault: String?

    init(_ settings: LineSettings) {
        self.settings = settings
        if settings.isNetwork, settings.isSet { comPort = ComPortClient(agreed: settings) }
        form =
            switch settings.framing {
            case .plain: .plain
            case .mbap: .mbap(MBAPClient())
            case .ascii: .ascii(ASCIIDecoder())
            }
    }

    /// Bytes of the line for what the driver sends.
    mutating func encode(_ frame: [UInt8]) -> [UInt8] {
        let bytes = convert(frame)
        return comPort == nil ? bytes : ComPortClient.encode(bytes)
    }

    private mutating func convert(_ frame: [UInt8]) -> [UInt8] {
        guard frame.count >= RTUFrame.shortest else { return frame }
        switch form {
        case .plain: return frame
        case .mbap(var client):
            let bytes = client.encode(frame)
            form = .mbap(client)
            return bytes
        case .ascii: return ASCIIFrame.encode(unit: frame[0], frame[1..<(frame.count - 2)])
        }
    }

    /// Bytes for the driver out of what has come.
    mutating func decode(_ received: ArraySlice<UInt8>) -> [UInt8] {
        let bytes = comPort?.receive(received)[...] ?? received
        switch form {
        case .plain: return Array(bytes)
        case .mbap(var client):
            defer { form = .mbap(client) }
            do throws(MBAPDecoder.Fault) {
                return try client.receive(bytes)
            } catch {
                switch error {
                case .length(let received, _):
                    fault =
                        "the other end does not speak Modbus TCP: a frame of \(received) bytes "
                        + "was announced; is it RTU over TCP (driver \"modbus-rtu\")?"
                }
                return []
            }
        case .ascii(var decoder):
            let frames = decoder.receive(bytes)
            form = .ascii(decoder)
            return frames
        }
    }

    // MARK: RFC 2217

    /// Bytes for the converter itself, in answer to what it has sent.
    mutating func takeReply() -> [UInt8] { comPort?.takeReply() ?? [] }

    /// Errors on the line that the converter has told.
    mutating func takeErrors() -> LineErrors? { comPort?.takeErrors() }

    /// Makes the converter throw away what it has received; empty: nothing is to be sent for that.
    var purge: [UInt8] { comPort == nil ? [] : ComPortClient.purge }

    /// Switches RTS at the converter; nil: the line has an RTS of its own.
    func rts(_ isOn: Bool) -> [UInt8]? { comPort == nil ? nil : ComPortClient.rts(isOn) }

    /// The connection was made anew: what has come of a frame does not go on.
    mutating func restart() {
        if comPort != nil { comPort = ComPortClient(agreed: settings) }
        switch form {
        case .plain: break
        case .mbap(var client):
            client.restart()
            form = .mbap(client)
        case .ascii: form = .ascii(ASCIIDecoder())
        }
    }
}

/// One request at a time on a connection of Modbus TCP.
struct MBAPClient: Sendable {
    private var decoder = MBAPDecoder()
    private var latest: UInt16 = 0
    /// Function code of the latest request.
    private var function: UInt8 = 0
    /// The latest request has not been answered.
    private var isWaiting = false

    init() {}

    /// - Parameter frame: unit id, PDU and checksum.
    mutating func encode(_ frame: [UInt8]) -> [UInt8] {
        latest &+= 1
        function = frame[1]
        isWaiting = true
        return MBAPFrame(
            transaction: latest, unit: frame[0], pdu: Array(frame[1..<(frame.count - 2)])
        ).bytes
    }

    mutating func receive(_ bytes: ArraySlice<UInt8>) throws(MBAPDecoder.Fault) -> [UInt8] {
        decoder.receive(bytes)
        var frames: [UInt8] = []
        while let frame = try decoder.next() {
            guard isWaiting, frame.transaction == latest else { continue }
            isWaiting = false
            frames += RTUFrame.encode(unit: frame.unit, withFunction(frame.pdu))
        }
        return frames
    }

    /// Adds the function code to an exception without one (0x80). pymodbus answers so for a unit
    /// that it does not have; the transaction id tells which request it answers.
    private func withFunction(_ pdu: [UInt8]) -> [UInt8] {
        guard pdu.count == 2, pdu[0] == FunctionCode.exceptionBit else { return pdu }
        return [function | FunctionCode.exceptionBit, pdu[1]]
    }

    mutating func restart() { decoder = MBAPDecoder() }
}
