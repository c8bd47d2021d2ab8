import Base
import Platform

/// One CA and one certificate for all TLS tests.
let tlsCertificates = try! TestCertificates(authority: "test CA")
let tlsPair = try! tlsCertificates.issue(names: ["bridge.test", "*.plant.test", "127.0.0.1", "::1"])

func tlsServer(
    _ pair: TestCertificates.Pair = tlsPair, clientCA: String? = nil, tickets: Int = 0,
    obsolete: Bool = false
) throws -> ServerContext {
    try ServerContext(
        certificatePEM: pair.certificate, keyPEM: pair.key, clientCA: clientCA, tickets: tickets,
        obsolete: obsolete)
}

func tlsClient(_ authority: TestCertificates = tlsCertificates) throws -> TLSContext {
    try TLSContext(trust: .pem(authority.authority.certificate))
}

func tlsTarget(
    _ port: Int, _ name: String = "bridge.test", deadline: Duration = .seconds(10)
) -> LinkTarget {
    LinkTarget(host: "127.0.0.1", port: port, serverName: name, deadline: deadline)
}

/// One attempt against a fresh server: the client's outcome and what the server saw.
func tlsAttempt(
    _ context: ServerContext, _ client: TLSContext, name: String = "bridge.test"
) throws -> (Result<Link, LinkFailure>, Arrival) {
    let listener = try Listener(tls: context)
    let peer = Running { acceptOne(listener).map { receive($0, 1) } ?? .silence }
    let result = Connector.connect(tlsTarget(listener.port, name), context: client)
    if case .success(let link) = result { link.close(orderly: true) }
    return (result, peer.join())
}
