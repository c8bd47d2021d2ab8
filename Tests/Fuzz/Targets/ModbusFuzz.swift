import Base
import FuzzKit
import Modbus

/// The Modbus codecs in both directions: what is understood is encoded to the bytes it came from,
/// and the decoders say the same however the bytes are cut. The first byte says what the rest is.
package enum ModbusFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        switch kind & 3 {
        case 0: checkRequest(bytes)
        case 1: checkReply(bytes)
        case 2: checkServer(bytes)
        default: checkLengths(bytes)
        }
    }

    private static func checkRequest(_ pdu: [UInt8]) {
        guard let request = try? Request(pdu: pdu[...]) else { return }
        // A coil's value and a bit beyond the count have one form that is written, and several that
        // are read.
        let encoded = request.pdu
        demand(
            encoded.count == pdu.count,
            "a request of \(pdu.count) bytes is encoded in \(encoded.count)")
        guard let again = try? Request(pdu: encoded[...]) else {
            fatalError("\(request) is refused")
        }
        demand(again == request, "\(request) became \(again)")
        if case .bytes(let length) = PDULength.ofRequest(encoded[...]) {
            demand(
                length == encoded.count,
                "a request of \(encoded.count) bytes is measured as \(length)")
        }
        if let length = request.replyLength {
            // Two groups of file records can be asked for that no reply can hold.
            demand(length >= 2, "a reply of \(length) bytes")
        }
    }

    /// A request, then what comes on the line after it: sound frames and others.
    private static func checkReply(_ input: [UInt8]) {
        var choices = Choices(input)
        let unit = choices.byte()
        guard let request = try? Request(pdu: choices.block()[...]) else { return }
        var stream: [UInt8] = []
        while !choices.isAtEnd, stream.count < 4096 {
            let pdu = choices.bytes(1 + choices.below(64))
            stream +=
                choices.byte() & 3 == 0
                ? pdu : RTUFrame.encode(unit: choices.bool() ? unit : 9, pdu)
        }
        let whole = replies(stream, unit, request, step: stream.count)
        demand(
            replies(stream, unit, request, step: 1) == whole
                || stream.count > ReplyDecoder.bufferLimit,
            "byte by byte other replies are found")
    }

    private enum Verdict: Equatable {
        case reply(Response)
        case error(FrameError)
    }

    /// The verdicts up to the first damage: what follows it is lost with the chunk.
    private static func replies(
        _ stream: [UInt8], _ unit: UInt8, _ request: Request, step: Int
    ) -> [Verdict] {
        var decoder = ReplyDecoder(unit: unit, request: request)
        var verdicts: [Verdict] = []
        var start = 0
        while start < stream.count {
            let end = min(start + step, stream.count)
            var chunk = stream[start..<end]
            start = end
            var limit = StepLimit(600, "the reply decoder never rests")
            while true {
                limit.step()
                do {
                    guard let reply = try decoder.receive(chunk) else { break }
                    demand(
                        decoder.pending <= ReplyDecoder.bufferLimit, "more than two frames are held"
                    )
                    verdicts.append(.reply(reply))
                } catch {
                    // How much too long it is, is told by the bytes that are there.
                    if case .tooLong(_, let limit) = error {
                        verdicts.append(.error(.tooLong(received: limit + 1, limit: limit)))
                    } else {
                        verdicts.append(.error(error))
                    }
                    guard error.isStranger else { return verdicts }
                }
                chunk = []
            }
            if let missing = decoder.missing {
                demand(missing >= 0, "\(missing) bytes are missing")
            }
        }
        demand(
            decoder.expectedLength >= RTUFrame.shortest,
            "a reply is expected in \(decoder.expectedLength) bytes")
        if decoder.endsBySilence, let reply = try? decoder.silence() {
            verdicts.append(.reply(reply))
        }
        return verdicts
    }

    /// The server's side: cut anywhere, the same requests; silence always leaves it empty.
    private static func checkServer(_ stream: [UInt8]) {
        func requests(step: Int) -> [RequestFrame?] {
            var decoder = RequestDecoder()
            var found: [RequestFrame?] = []
            var start = 0
            var isLost = false
            while start < stream.count {
                let end = min(start + step, stream.count)
                var chunk = stream[start..<end]
                start = end
                do {
                    while let frame = try decoder.receive(chunk) {
                        found.append(frame)
                        chunk = []
                    }
                } catch {
                    if !isLost { found.append(nil) }
                    isLost = true
                }
                demand(decoder.pending <= 2 * Limits.adu, "more than two frames are held")
            }
            if let frame = try? decoder.silence() { found.append(frame) }
            demand(decoder.pending == 0, "silence leaves bytes behind")
            return found
        }
        guard stream.count <= 2 * Limits.adu else { return }
        let whole = requests(step: max(1, stream.count))
        demand(requests(step: 1) == whole, "byte by byte other requests are found")
        for frame in whole.compactMap({ $0 }) { checkRequest(frame.pdu) }
    }

    /// What is known of a length never changes when more bytes come.
    private static func checkLengths(_ pdu: [UInt8]) {
        for rule in [PDULength.ofRequest, PDULength.ofReply] {
            var known: PDULength?
            for end in 0...min(pdu.count, 300) {
                let length = rule(pdu[..<end])
                if case .bytes(let count) = length { demand(count >= 1, "a length of \(count)") }
                // A list of objects that is too long already may be found to be longer.
                if case .bytes(let earlier) = known, earlier <= Limits.pdu {
                    demand(length == known, "a length of \(earlier) becomes \(length)")
                }
                if length != .more { known = length }
            }
        }
    }
}
