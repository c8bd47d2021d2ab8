import Base
import Glibc

/// CONNECT through an HTTP proxy (RFC 9110 section 9.3.6): the socket to the proxy becomes a socket
/// to the bridge. Nothing but the answer's head is read, since what follows belongs to TLS.
enum ProxyTunnel {
    /// Status line and header fields together.
    static let headMax = 8192

    /// Takes over `descriptor`; closes it if there is no way through.
    static func open(
        _ descriptor: Int32, through proxy: LinkTarget.Proxy, to target: LinkTarget,
        _ deadline: Deadline
    ) -> Result<Int32, LinkFailure> {
        let name = "the proxy \(LinkTarget.describe(proxy.host, proxy.port))"
        let answer = write(request(proxy, target), to: descriptor, name, deadline)
            .flatMap { readHead(of: descriptor, name, target, deadline) }
            .flatMap { judge($0, name, proxy, target) }
        switch answer {
        case .success: return .success(descriptor)
        case .failure(let failure):
            close(descriptor)
            return .failure(failure)
        }
    }

    private static func request(_ proxy: LinkTarget.Proxy, _ target: LinkTarget) -> [UInt8] {
        var text = "CONNECT \(target.describe) HTTP/1.1\r\nHost: \(target.describe)\r\n"
        if let credentials = proxy.credentials {
            text += "Proxy-Authorization: Basic \(credentials)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    private static func write(
        _ bytes: [UInt8], to descriptor: Int32, _ name: String, _ deadline: Deadline
    ) -> Result<Void, LinkFailure> {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { buffer in
                retrying { send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL)) }
            }
            let number = errno
            if count > 0 {
                rest.removeFirst(count)
            } else if let failure = wait(
                number, descriptor, Int32(POLLOUT), name, deadline)
            {
                return .failure(failure)
            }
        }
        return .success(())
    }

    /// Looks at what has come before taking it, so that not one byte too many is taken.
    private static func readHead(
        of descriptor: Int32, _ name: String, _ target: LinkTarget, _ deadline: Deadline
    ) -> Result<[UInt8], LinkFailure> {
        var head: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1024)
        while head.count < headMax {
            let seen = retrying { recv(descriptor, &chunk, chunk.count, Int32(MSG_PEEK)) }
            let number = errno
            if seen == 0 {
                return .failure(
                    LinkFailure(
                        .refused,
                        "\(name) closed the connection instead of opening \(target.describe)"))
            }
            if seen < 0 {
                if let failure = wait(number, descriptor, Int32(POLLIN), name, deadline) {
                    return .failure(failure)
                }
                continue
            }
            let (taken, isWhole) = takeHead(chunk[..<seen], after: head)
            let count = retrying { recv(descriptor, &chunk, taken, 0) }
            guard count > 0 else {
                return .failure(LinkFailure(.reset, "\(name) reset the connection"))
            }
            head += chunk[..<count]
            if isWhole, count == taken { return .success(head) }
        }
        return .failure(
            LinkFailure(
                .other, "\(name) answers with more than \(headMax) bytes: is it an HTTP proxy?"))
    }

    /// How many of the new bytes belong to the head, and whether it ends with them.
    private static func takeHead(
        _ new: ArraySlice<UInt8>, after old: [UInt8]
    ) -> (count: Int, isWhole: Bool) {
        let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        var last = Array(old.suffix(3))
        for (index, byte) in new.enumerated() {
            last.append(byte)
            if last.suffix(4).elementsEqual(end) { return (index + 1, true) }
            if last.count > 4 { last.removeFirst() }
        }
        return (new.count, false)
    }

    private static func judge(
        _ head: [UInt8], _ name: String, _ proxy: LinkTarget.Proxy, _ target: LinkTarget
    ) -> Result<Void, LinkFailure> {
        let line = head.prefix { $0 != 0x0D }
        let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            return .failure(LinkFailure(.other, "\(name) does not speak HTTP: check `proxy`"))
        }
        switch status {
        case 200..<300: return .success(())
        case 407:
            let advice =
                proxy.credentials == nil
                ? "wants a user and a password: write `proxy` as http://user:password@host:port"
                : "refuses the user and password in `proxy`"
            return .failure(LinkFailure(.refused, "\(name) \(advice) (407)"))
        default:
            return .failure(
                LinkFailure(
                    .refused,
                    "\(name) does not open \(target.describe): it says \"\(Notice.printable(line))\""
                ))
        }
    }

    /// nil when the descriptor is ready.
    private static func wait(
        _ number: Int32, _ descriptor: Int32, _ events: Int32, _ name: String, _ deadline: Deadline
    ) -> LinkFailure? {
        guard number == EAGAIN else {
            return LinkFailure(.reset, "\(name): \(systemWords(number))")
        }
        switch deadline.wait(descriptor, for: events) {
        case .ready: return nil
        case .interrupted: return LinkFailure(.other, "the attempt was interrupted")
        case .expired:
            return LinkFailure(.deadline, "\(name) does not answer in time: check `proxy`")
        }
    }
}
