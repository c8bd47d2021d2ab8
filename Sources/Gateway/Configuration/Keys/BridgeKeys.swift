import Base
import Bridge

/// Where readings go.
enum BridgeKeys {
    static let bridge = KeySection(
        "bridge",
        "The MQTT bridge: Cloud IoT's dialect with `project`, `region` and `registry`, a "
            + "plain broker without them.",
        [
            Key("host", .text, "name or address of the bridge").required,
            Key("port", .integer(1...65_535), "its port [8883; with `tls: false` 1883]"),
            Key(
                "fallback", .some(.text),
                "others that are tried in turn, as `\"host:port\"`; at most 7"),
            Key("gateway", .text, "the gateway's own device ID").required,
            Key("project", .text, "Cloud IoT: the project"),
            Key("region", .text, "Cloud IoT: the region"),
            Key("registry", .text, "Cloud IoT: the registry"),
            Key(
                "privateKey", .some(.secret),
                "Cloud IoT: the gateway's private key, a PEM file or a store's URI; of a "
                    + "list of two the second is tried when the first is refused"
            ),
            Key(
                "tokenLifetime", .duration(.seconds(10)...(.seconds(86_400)), .seconds(3600)),
                "Cloud IoT: how long a JWT holds"),
            Key("clientID", .text, "plain broker: the MQTT client id [the gateway's ID]"),
            Key("username", .secret, "plain broker: the user"),
            Key("password", .secret, "plain broker: the user's password"),
            Key("clientCertificate", .text, "plain broker: a PEM file; goes with `clientKey`"),
            Key("clientKey", .secret, "plain broker: the certificate's private key"),
            Key("tls", .flag(true), "whether the connection is encrypted"),
            Key("ca", .text, "a PEM file of authorities [the system's]"),
            Key("serverName", .text, "name in the bridge's certificate [`host`]"),
            Key("alpn", .text, "protocol name for the TLS handshake, as `\"mqtt\"` [none]"),
            Key(
                "proxy", .either([.secret, .object(proxy)]),
                "`\"http://user:password@host:port\"`, asked with CONNECT"),
            // 1.5 times the keep alive must stay under Cloud IoT's 20 minutes of idleness; MQTT has
            // 16 bits.
            Key(
                "keepAlive", .duration(.seconds(5)...(.seconds(65_535)), .seconds(60)),
                "silence after which the bridge is asked whether it is there; Cloud IoT: "
                    + "at most 20m"
            ),
            Key(
                "ackTimeout", .duration(.milliseconds(100)...(.seconds(600)), .seconds(10)),
                "how long an acknowledgement may take before the connection is made anew"),
            Key(
                "liveWithin", .duration(.milliseconds(100)...(.seconds(86_400)), .seconds(5)),
                "age up to which a reading goes before older ones"),
            Key(
                "batch", .either([.object(batch), .only(.flag(false))]),
                "several readings of a device in one message [off]"),
            Key(
                "rate", .either([.object(rate), .only(.text("unlimited"))]),
                "what is sent in a second at most"),
            Key("inFlight", .object(inFlight), "messages that wait for their acknowledgement"),
            Key("topics", .object(topics), "subfolders of the gateway's own records"),
            Key(
                "telemetryTopic", topic,
                "plain broker: readings, as `\"plant/{device}/data\"` "
                    + "[`/devices/{device}/events`]"),
            Key("stateTopic", topic, "plain broker: states [`/devices/{device}/state`]"),
            Key("configTopic", topic, "plain broker: configs [`/devices/{device}/config`]"),
            Key("commandTopic", topic, "plain broker: commands [`/devices/{device}/commands/#`]"),
            Key(
                "attachTopic", topic,
                "plain broker: says that a device is there [`/devices/{device}/attach`]"),
            Key(
                "detachTopic", topic,
                "plain broker: says that it is gone [`/devices/{device}/detach`]"),
            Key("attachMessages", .flag(false), "plain broker: whether the two are used"),
            Key(
                "setTopic", topic,
                "plain broker: a bare value for a writable point, as "
                    + "`\"plant/{device}/{point}/set\"` [none]"
            ),
            Key(
                "availabilityTopic", topic,
                "plain broker: `online` or `offline`, retained, also as the will [none]"),
            Key("publish", .object(publish), "plain broker: the form of messages"),
        ])

    private static let topic = KeyValue.either([.text, .only(.flag(false))])

    static let proxy = KeySection(
        "proxy", "A proxy whose password is kept elsewhere.",
        [
            Key("url", .text, "`\"http://user@host:port\"`").required,
            Key("password", .secret, "the user's password"),
        ])

    static let batch = KeySection(
        "batch", "Several readings of a device in one message; see payloads.md.",
        [
            Key(
                "maxDelay", .duration(.milliseconds(10)...(.seconds(3600)), .seconds(1)),
                "how long the first of them waits"),
            Key("maxBytes", .size(256...(255 << 10), 64 << 10), "the longest message"),
        ])

    static let rate = KeySection(
        "rate",
        "What is sent in a second at most [Cloud IoT: 95 messages and 500KiB; else unlimited].",
        [
            Key("messages", .integer(1...1_000_000), "messages"),
            Key("bytes", .size(1024...(1 << 40)), "bytes"),
        ])

    static let inFlight = KeySection(
        "inFlight",
        "Messages that wait for their acknowledgement [Cloud IoT: 64 and 1; else 1024 and 1024].",
        [
            // MQTT has 65,535 packet ids.
            Key("total", .integer(1...32_768), "of all devices"),
            Key("perDevice", .integer(1...32_768), "of one device"),
        ])

    static let topics = KeySection(
        "topics",
        "Subfolders of the gateway's own records: `\"\"` is plain events, `false` is off.",
        [
            Key("health", topic, "[`health`]"),
            Key("gaps", topic, "[`gaps`]"),
            Key("alarms", topic, "[`alarms`]"),
            Key("commands", topic, "results of commands [`commands`]"),
        ])

    static let publish = KeySection(
        "publish", "The form of messages to a plain broker.",
        [
            Key(
                "format", .choice(PayloadFormat.Form.readings),
                "`\"flat\"`: the values stand beside `ts` and `seq`; `\"values\"`: "
                    + "nothing but the values"
            ),
            Key(
                "time", .choice(PayloadFormat.Time.iso),
                "`\"ms\"`: `ts` is a number, milliseconds since 1970"),
            Key(
                "booleans", .choice(PayloadFormat.Booleans.json),
                "`\"01\"`: true and false are 1 and 0"),
            Key("units", .flag(false), "the units of the values in a member `units`"),
            Key(
                "latestTopic", topic,
                "the latest value of each point as bare text, as "
                    + "`\"plant/{device}/{point}\"`; an empty message while it is bad [none]"
            ),
            Key(
                "retain", .either([.only(.flag(false)), .some(.word(["state", "latest"]))]),
                "what the broker is asked to keep [`[\"latest\"]`]"),
        ])
}
