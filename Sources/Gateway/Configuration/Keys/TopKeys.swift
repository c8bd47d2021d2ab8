import Base
import Bridge

/// The configuration itself and what belongs to the gateway as a whole.
enum TopKeys {
    static let root = KeySection(
        "configuration", "The object that the file is.",
        [
            Key(
                "include", .some(.text),
                "other files, relative to this one; they are merged by key under it"),
            Key("bridge", .object(BridgeKeys.bridge), "where readings go").required,
            Key("spool", .object(spool), "how they are kept until the bridge has them"),
            Key(
                "clock", .choice(Configuration.ClockTrust.auto),
                "`\"trust\"`: this machine's clock is right"),
            Key(
                "state", .text,
                "a directory of its own for what the gateway must not forget, not the "
                    + "journal's [`$STATE_DIRECTORY`]"
            ),
            Key("control", .text, "the control socket [`$RUNTIME_DIRECTORY/control.sock`]"),
            Key(
                "logLevel", .choice(Configuration.LogLevel.info),
                "lines of the log that are wanted; `\"wire\"`: every frame of the lines "
                    + "too, decoded"
            ),
            Key(
                "scanAdapters", .flag(false),
                "look who is on the line of an adapter that no port means"),
            Key("health", .object(health), "records about the gateway itself"),
            Key("alarms", .object(alarms), "when something is an alarm"),
            Key("http", .object(http), "the HTTP door: page, metrics, JSON; off without it"),
            Key("ports", .named(.object(PortKeys.port)), "the lines, by name").required,
        ])

    static let spool = KeySection(
        "spool", "The journal on disk.",
        [
            Key("directory", .text, "where it is [`spool` in the state directory]"),
            Key("maxBytes", .size((1 << 20)...(1 << 40), 64 << 20), "what it may take"),
            Key(
                "minFree", .size(0...(1 << 40), 64 << 20),
                "what is left free on its file system, at most 5 % of it"),
            Key(
                "maxAge",
                .duration(.seconds(60)...(.seconds(3650 * 86_400)), .seconds(30 * 86_400)),
                "how long a record is kept"),
            // A message of the bridge holds 256 KiB; some of it is the envelope.
            Key("maxRecord", .size(256...(255 << 10), 64 << 10), "the longest record"),
            Key(
                "share", .number(0.01...1, 0.25),
                "of `maxBytes`, what one device may hold before its own oldest records go first"),
            Key(
                "priorityReserve", .size(0...(1 << 40)),
                "of `maxBytes`, what is kept for priority points and command results; at "
                    + "most half [4MiB, at most an eighth]"
            ),
            Key(
                "sync", .duration(.milliseconds(10)...(.seconds(60)), .seconds(1)),
                "how long a reading that the bridge does not have may wait for the disk"),
            Key(
                "publish", .choice(Configuration.Spool.Publish.live),
                "when a reading is sent: `\"live\"` at once, `\"durable\"` once it is synced"),
            Key(
                "whenFull", .choice(Configuration.Spool.WhenFull.dropOldest),
                "what goes when there is no room"),
        ])

    static let health = KeySection(
        "health", "Records about the gateway itself; see payloads.md.",
        [
            Key("every", .duration(.seconds(10)...(.seconds(86_400)), .seconds(60)), "how often"),
            Key("units", .flag(false), "the counters of every unit in each record"),
        ])

    static let alarms = KeySection(
        "alarms", "When something is an alarm; see payloads.md.",
        [
            Key(
                "bridgeAway", .duration(.seconds(10)...(.seconds(7 * 86_400)), .seconds(600)),
                "how long there may be no bridge before that is an alarm and a critical problem")
        ])

    static let http = KeySection(
        "http", "The HTTP door; see operations.md.",
        [
            Key(
                "listen", .text,
                "a numeric address and a port [8420]; one that other machines reach needs `token`"
            ).required,
            Key("token", .secret, "8 to 256 printable characters that a client has to know"),
            Key("certificate", .text, "a PEM file: HTTPS; goes with `key`"),
            Key("key", .secret, "the certificate's private key: a PEM file or a secret's place"),
            Key(
                "names", .some(.text),
                "host names by which it is called, beside loopback names and its address"),
            Key(
                "actions", .flag(false),
                "pause, resume, release, capture and writes within their limits; needs `token`"),
            Key(
                "history", .either([.only(.flag(false)), .object(history)]),
                "what is kept in memory for charts; `false`: nothing"),
        ])

    static let history = KeySection(
        "history", "What the HTTP door's charts show; a restart begins anew.",
        [
            Key(
                "keep", .duration(.seconds(3600)...(.seconds(7 * 86_400)), .seconds(86_400)),
                "how far back"),
            Key(
                "maxBytes", .size((64 << 10)...ServiceLimits.historyBytesMax, 8 << 20),
                "memory for it"),
        ])
}
