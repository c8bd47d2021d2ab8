import Base

/// Hosts that a file should not name (any more).
enum KnownHosts {
    /// Where ClearBlade says which host is right.
    private static let clearBlade =
        "take the MQTT host of your region from \"Targeting devices\" in ClearBlade's IoT Core documentation or from "
        + "your registry's page in its console, and leave `ca` out: the system's store has its root"

    /// ClearBlade's regional hosts before the change of the root, and Google's.
    private static let retired: [ByteString: String] = [
        "us-central1-mqtt.clearblade.com": clearBlade,
        "europe-west1-mqtt.clearblade.com": clearBlade,
        "asia-east1-mqtt.clearblade.com": clearBlade,
        "mqtt.googleapis.com": "Google switched Cloud IoT Core off in August 2023",
        "mqtt.2030.ltsapis.goog": "Google switched Cloud IoT Core off in August 2023",
    ]

    /// The fault of this host, as the rest of a sentence that begins with it; nil if none is known.
    static func warning(_ host: String) -> String? {
        let name = host.lowercased()
        if let advice = retired[ByteString(name)] {
            return name.hasSuffix(".clearblade.com")
                ? "is being retired, and the root of its certificate with it (the new hosts have \"-g5-\" in their name): "
                    + advice
                : "is retired: \(advice)"
        }
        // RFC 2606: never resolves.
        if name.hasSuffix(".example") {
            return
                "is a placeholder: put your bridge's host there (ClearBlade lists its MQTT hosts under "
                + "\"Targeting devices\" in its IoT Core documentation, and your registry's page in its console names it)"
        }
        return nil
    }
}
