import Gateway
import Platform

/// Reference of the configuration, from the tables that the program reads by.
enum ConfigurationHelp {
    static let texts = [
        HelpText("schema") { KeyReference.schema(version: Version.text) },
        HelpText("keys") { KeyReference.markdown },
    ]

    static var page: ReferencePage {
        ReferencePage(
            name: "fieldgw.json5", summary: "configuration of fieldgw",
            description: [
                "A configuration is one object in JSON5, in /etc/fieldgw/gateway.json5 "
                    + "for fieldgw.service. "
                    + "Unknown and duplicate keys are errors; fieldgw check FILE finds "
                    + "every problem in one run.",
                "A duration is a number and a unit in quotes, as \"200ms\", \"5s\", "
                    + "\"10m\", \"1h\" or \"7d\"; a size "
                    + "as \"500KiB\" or \"64MiB\". Bytes are text, or \"hex:42 4D\". In "
                    + "place of a secret { file }, "
                    + "{ env } or { credential } may say where it is kept. Relative paths "
                    + "are relative to the file.",
                "What holds without a key stands in brackets behind it. fieldgw help "
                    + "--schema prints the same as "
                    + "JSON Schema.",
            ],
            sections: KeyReference.sections.map { section in
                ReferencePage.Section(
                    title: section.name, words: section.words,
                    entries: section.entries.map {
                        ReferencePage.Entry(name: $0.name, value: $0.value, words: $0.words)
                    })
            },
            seeAlso: ["fieldgw(1)", "fieldgw-payloads(7)"])
    }
}
