import Base

/// Facts about the machine that a configuration is read on, as its text may refer to them.
package struct Surroundings: Sendable {
    /// The content of an included file by its path; a failure finishes the sentence `"path" …`.
    package var load: @Sendable (String) -> Result<[UInt8], ProfileFailure>
    /// Text that `{hostname}` stands for; nil: it stays as it is.
    package var hostName: String?

    package init(
        hostName: String? = nil,
        load: @escaping @Sendable (String) -> Result<[UInt8], ProfileFailure> = { _ in
            .failure(ProfileFailure("is not read here"))
        }
    ) {
        self.hostName = hostName
        self.load = load
    }
}

/// A configuration as it is when all its files are merged and its repeated nodes written out.
package struct ConfigurationDocument: Sendable {
    /// Nil if the main file is no JSON5.
    package var root: JSON?
    /// The main file first, then those that are included; `TextPosition.source` counts them.
    package var files: [String]
    /// Their contents, for telling whether anything has changed.
    package var texts: [[UInt8]]

    /// - Parameter bytes: the main file's.
    package static func read(
        _ bytes: [UInt8], fileName: String, in surroundings: Surroundings
    ) -> ConfigurationDocument {
        var reader = DocumentReader(Problems(), surroundings)
        let root = reader.read(bytes, file: fileName)
        return ConfigurationDocument(root: root, files: reader.files, texts: reader.texts)
    }

    /// The file that a value is from.
    package func file(of value: JSON) -> String {
        files.indices.contains(value.position.source) ? files[value.position.source] : ""
    }
}

/// A path as a file means it: relative to the folder of that file.
package enum RelativePath {
    package static func resolve(_ path: String, beside file: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return String(file[...slash])
            + (path.hasPrefix("./") ? String(path.dropFirst(2)) : path)
    }
}
