import Platform

/// A CA and a server certificate for this machine, made once in a folder for the simulators.
struct CertificateFolder {
    let path: String
    private let server: TestCertificates.Pair

    /// Makes what is not there yet: ca.pem for the clients, server.pem and server.key.
    init(_ path: String) throws {
        self.path = path
        try FileSystem.makeDirectories(path)
        let files = (certificate: path + "/server.pem", key: path + "/server.key")
        if FileSystem.exists(files.certificate), FileSystem.exists(files.key) {
            server = TestCertificates.Pair(
                certificate: try FileSystem.text(files.certificate),
                key: try FileSystem.text(files.key))
            return
        }
        let certificates = try TestCertificates()
        server = try certificates.issue(names: ["localhost", "127.0.0.1", "::1"])
        try FileSystem.create(
            path + "/ca.pem", Array(certificates.authority.certificate.utf8), mode: 0o644)
        try FileSystem.create(files.certificate, Array(server.certificate.utf8), mode: 0o644)
        try FileSystem.create(files.key, Array(server.key.utf8), mode: 0o600)
    }

    func context() throws -> ServerContext {
        try ServerContext(certificatePEM: server.certificate, keyPEM: server.key)
    }
}
