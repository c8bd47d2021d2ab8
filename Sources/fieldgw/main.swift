import Platform

Startup.prepare()

let table = VerbTable(
    program: "fieldgw",
    summary:
        "fieldgw \(Version.text): Modbus and UART sensors to the cloud, without losing a reading",
    version: Version.text,
    verbs: [
        RunVerb.verb, CheckVerb.verb, PlanVerb.verb, ProfileVerb.verb, PollVerb.verb,
        ScanVerb.verb, ReadVerb.verb, WriteVerb.verb, SniffVerb.verb,
        PortsVerb.verb, StatusVerb.verb, TopVerb.verb, WatchVerb.verb,
        PauseVerb.pause, PauseVerb.resume, DeviceVerb.verb, CaptureVerb.verb, SpoolVerb.verb,
        KeyVerb.verb, ReplayVerb.verb, SupportVerb.verb, InitVerb.verb, ImportVerb.verb,
    ],
    files: [
        (
            "/etc/fieldgw/gateway.json5",
            "the configuration of fieldgw.service; NAME.json5 that of fieldgw@NAME.service"
        ),
        ("/etc/fieldgw/keys", "private keys, for root alone: privateKey: \"keys/gw-7.pem\""),
        (
            "/etc/fieldgw/profiles, /usr/share/fieldgw/profiles",
            "register maps that a node's profile names"
        ),
        ("/var/lib/fieldgw", "journal and state"),
        ("/usr/share/doc/fieldgw/README.md", "what it does, and which document of docs/ says what"),
        ("/usr/share/doc/fieldgw/docs/configuration.md", "how a configuration is written"),
    ],
    environment: [
        ("FIELDGW_PROFILES", "a folder of profiles that goes before those of the package"),
        (
            "STATE_DIRECTORY, RUNTIME_DIRECTORY, CREDENTIALS_DIRECTORY",
            "as systemd.exec(5) sets them"
        ),
        ("NO_COLOR, TERM", "no colours if the one is set or the other is \"dumb\""),
        ("TMPDIR", "where temporary files go, /tmp without it"),
    ],
    seeAlso: ["fieldgw.json5(5)", "fieldgw-payloads(7)", "systemctl(1)", "udevadm(8)"],
    texts: ConfigurationHelp.texts, pages: { [ConfigurationHelp.page] })

table.main()
