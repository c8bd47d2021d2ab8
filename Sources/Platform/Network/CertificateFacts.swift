import Base
import COpenSSL
import Glibc

/// Facts that a message about a refused certificate needs. They come from the peer: names are cut,
/// and each byte that is not printable becomes `?`.
struct CertificateFacts {
    static let namesMax = 4
    /// Number of entries that are looked at.
    private static let entriesMax: Int32 = 256
    static let nameLengthMax = 80

    /// DNS names and IP addresses of the subjectAltName, in its order.
    var names: [String] = []
    /// The DNS names among these.
    var hostNames: [String] = []
    var hasAlternativeNames = false
    var hasAddresses = false
    var commonName: String?
    var subject = ""
    var notBefore: WallTime?
    var notAfter: WallTime?

    init(_ certificate: OpaquePointer) {
        commonName = Self.commonName(X509_get_subject_name(certificate))
        subject = commonName ?? "a CA without a name"
        readAlternativeNames(certificate)
        notBefore = Self.time(X509_get0_notBefore(certificate))
        notAfter = Self.time(X509_get0_notAfter(certificate))
    }

    /// Why it does not match, after the certificate is named: what it is for, and what to do.
    func mismatch(_ expected: PeerName?, _ text: String) -> String {
        if !hasAlternativeNames {
            let has = commonName.map { "has only the common name \"\($0)\"" } ?? "has no name"
            let wanted = if case .ip = expected { "IP:\(text)" } else { "DNS:\(text)" }
            return "\(has) and no subjectAltName, where names must stand: have it made again with "
                + "subjectAltName \(wanted)"
        }
        if case .ip = expected, hostNames.contains(where: { Self.isSame($0, text) }) {
            return
                "names \(text) as a host name, not as an address: have it made again with subjectAltName IP:\(text)"
        }
        guard !names.isEmpty else {
            return
                "names no host and no address, only other things, and not \(text): have it made again with "
                + "subjectAltName"
        }
        let list = names.joined(separator: ", ")
        if case .ip = expected, !hasAddresses {
            return
                "is for \(list), not for the address \(text): put one of its names into `host` or `serverName`"
        }
        return "is for \(list), not for \(text): check `host` or `serverName`"
    }

    /// Two ways to write one IPv6 address are one.
    private static func isSame(_ name: String, _ address: String) -> Bool {
        func bytes(_ text: String) -> [UInt8]? {
            var raw = in6_addr()
            for family in [AF_INET, AF_INET6] where inet_pton(family, text, &raw) == 1 {
                return withUnsafeBytes(of: &raw) { Array($0.prefix(family == AF_INET ? 4 : 16)) }
            }
            return nil
        }
        return name == address || bytes(name) != nil && bytes(name) == bytes(address)
    }

    static func printable(_ bytes: some Collection<UInt8>) -> String {
        let shown = bytes.prefix(nameLengthMax).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }
        return String(decoding: shown, as: UTF8.self) + (bytes.count > nameLengthMax ? "..." : "")
    }

    private static func commonName(_ name: OpaquePointer?) -> String? {
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, let entry = X509_NAME_get_entry(name, index),
            let text = X509_NAME_ENTRY_get_data(entry)
        else { return nil }
        let count = Int(ASN1_STRING_length(text))
        return printable(UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: count))
    }

    private mutating func readAlternativeNames(_ certificate: OpaquePointer) {
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
            return
        }
        let list = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(list) }
        hasAlternativeNames = true
        let count = shim_GENERAL_NAMES_count(list)
        for index in 0..<max(0, min(count, Self.entriesMax)) {
            var type: Int32 = 0, length: Int32 = 0
            guard let start = shim_GENERAL_NAMES_entry(list, index, &type, &length), length >= 0
            else {
                continue
            }
            let bytes = UnsafeBufferPointer(start: start, count: Int(length))
            let name = type == GEN_IPADD ? Self.address(bytes) : Self.printable(bytes)
            if names.count < Self.namesMax { names.append(name) }
            if type == GEN_DNS { hostNames.append(name) } else { hasAddresses = true }
        }
        if Int(count) > Self.namesMax { names.append("and more") }
    }

    private static func address(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        guard bytes.count == 4 || bytes.count == 16 else { return "a malformed IP address" }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes.baseAddress, &text, socklen_t(text.count)) != nil else {
            return "?"
        }
        return cText(text)
    }

    /// When the own certificate of a context begins and ends; nil without one.
    static func validity(
        in context: OpaquePointer
    ) -> (notBefore: WallTime, notAfter: WallTime)? {
        SSL_CTX_get0_certificate(context).flatMap { validity(of: $0) }
    }

    static func validity(
        of certificate: OpaquePointer
    ) -> (notBefore: WallTime, notAfter: WallTime)? {
        guard let begin = time(X509_get0_notBefore(certificate)),
            let end = time(X509_get0_notAfter(certificate))
        else { return nil }
        return (begin, end)
    }

    static func time(_ time: UnsafePointer<ASN1_TIME>?) -> WallTime? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return WallTime(milliseconds: Int64(timegm(&parts)) * 1000)
    }
}

/// First error in the verification of one handshake. The callback only notes it: it returns
/// OpenSSL's own verdict unchanged, so it cannot let anything pass.
final class VerificationNotes {
    var error: Int32 = 0
    /// 0 is the peer's own certificate, higher numbers are its CAs.
    var depth: Int32 = 0
    var certificate: CertificateFacts?

    /// Notes of `ssl` go to this object, which must outlive it.
    func attach(to ssl: OpaquePointer) {
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_verify(ssl, SSL_get_verify_mode(ssl) | SSL_VERIFY_PEER, noteVerification)
    }
}

private func noteVerification(_ verdict: Int32, _ context: OpaquePointer?) -> Int32 {
    guard verdict != 1, let context,
        let ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let raw = SSL_get_ex_data(OpaquePointer(ssl), 0)
    else { return verdict }
    let notes = Unmanaged<VerificationNotes>.fromOpaque(raw).takeUnretainedValue()
    if notes.error == 0 {
        notes.error = X509_STORE_CTX_get_error(context)
        notes.depth = X509_STORE_CTX_get_error_depth(context)
        notes.certificate = X509_STORE_CTX_get_current_cert(context).map { CertificateFacts($0) }
    }
    return verdict
}
