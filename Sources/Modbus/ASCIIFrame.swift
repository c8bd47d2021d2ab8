import Base

/// One ADU of Modbus ASCII (MODBUS over Serial Line V1.02, section 2.5.2).
///
/// | part | characters |
/// |---|---|
/// | start | `:` |
/// | unit id, PDU, LRC | two hexadecimal digits for each byte |
/// | end | CR LF |
package enum ASCIIFrame {
    package static let start = UInt8(ascii: ":")
    package static let end: [UInt8] = [0x0D, 0x0A]

    package static func encode(unit: UInt8, _ pdu: ArraySlice<UInt8>) -> [UInt8] {
        var frame: [UInt8] = [start]
        frame.reserveCapacity(2 * pdu.count + 7)
        var sum = unit
        append(unit, to: &frame)
        for byte in pdu {
            append(byte, to: &frame)
            sum &+= byte
        }
        append(0 &- sum, to: &frame)
        return frame + end
    }

    private static func append(_ byte: UInt8, to frame: inout [UInt8]) {
        let digits: [UInt8] = Array("0123456789ABCDEF".utf8)
        frame.append(digits[Int(byte >> 4)])
        frame.append(digits[Int(byte & 15)])
    }
}

/// Makes the bytes of RTU frames out of the characters of Modbus ASCII, each as soon as it is
/// certain that it is not the checksum. In place of the LRC comes the CRC: the right one if the LRC
/// is right, otherwise a wrong one.
package struct ASCIIDecoder: Sendable {
    /// Unit id and PDU so far; nil outside of a frame.
    private var body: [UInt8]?
    /// First digit of a byte.
    private var high: UInt8?
    /// Last byte so far: the LRC, if the frame ends here.
    private var last: UInt8?
    private var isDamaged = false

    package init() {}

    package mutating func receive(_ characters: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        for character in characters { take(character, &out) }
        return out
    }

    private mutating func take(_ character: UInt8, _ out: inout [UInt8]) {
        if character == ASCIIFrame.start {
            // The end of the frame before is lost.
            isDamaged = true
            finish(&out)
            body = []
            return
        }
        guard body != nil else { return }
        if character == ASCIIFrame.end[1] { return finish(&out) }
        if character == ASCIIFrame.end[0] { return }
        guard let digit = Self.digit(character) else {
            isDamaged = true
            return
        }
        guard let first = high.take() else {
            high = digit
            return
        }
        if let known = last, body?.count ?? 0 <= Limits.pdu {
            body?.append(known)
            out.append(known)
        }
        last = first << 4 | digit
    }

    private mutating func finish(_ out: inout [UInt8]) {
        defer { self = ASCIIDecoder() }
        guard let body, !body.isEmpty else { return }
        let sum = body.reduce(last ?? 0) { $0 &+ $1 }
        let isSound = !isDamaged && sum == 0 && high == nil && body.count >= 2
        out.appendLittle(CRC16.checksum(body[...]) ^ (isSound ? 0 : 0xFFFF))
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }
}
