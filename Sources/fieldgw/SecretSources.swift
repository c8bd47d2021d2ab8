import Gateway
import Platform

/// Secrets of a configuration that are kept elsewhere, as a verb takes them.
enum SecretSources {
    /// Use of a configuration, which decides about a secret that this process was not given.
    enum Purpose {
        /// The gateway's own: it needs every secret.
        case start
        /// A look from a shell, which has neither the service's environment nor its credentials.
        case check
    }

    static func loader(for purpose: Purpose) -> SecretLoader {
        { source, limit in
            do throws(CredentialError) {
                switch source {
                case .file(let path): return .success(try SecretPlace.file(path, limit: limit))
                case .environment(let name):
                    return .success(try SecretPlace.variable(name, limit: limit))
                case .credential(let name):
                    return .success(try SecretPlace.credential(name, limit: limit))
                }
            } catch {
                let isElsewhere = purpose == .check && error.kind == .notGiven
                return .failure(
                    SecretFailure(
                        error.message + (isElsewhere ? "; not checked here" : ""),
                        isWarning: isElsewhere))
            }
        }
    }
}
