/// The places that do not keep a limit yet, with how far they are from it. Each list may only
/// shrink.
enum Exceptions {
    /// Lines of a file, above `SizeTests.fileLinesMax`.
    static let fileLines: [String: Int] = [
        "Sources/Host/Host.swift": 428,
        "Tests/Fuzz/Targets/GatewayRig.swift": 419,
        "Tests/GatewayTests/ConfigurationDiagnosticTests.swift": 430,
    ]
    /// Stored properties of a type.
    static let storedProperties: [String: Int] = [
        "Adapter.Decoder": 32,
        "Adapter.Point": 28,
        "Bridge.Session": 47,
        "Line.LineExchange": 29,
        "Drivers.ModbusDriver": 24,
        "Drivers.PortStatistics": 21,
        "Drivers.Scanner": 22,
        "Gateway.CommandLog": 21,
        "Gateway.Gateway": 48,
        "Host.Host": 31,
        "Simulators.BridgeConnection": 24,
        "Simulators.BridgeSwitches": 32,
    ]
    /// Files that hold a part of a type.
    static let filesOfType: [String: Int] = [
        "Adapter.Decoder": 5,
        "Bridge.Session": 14,
        "Drivers.ModbusDriver": 10,
        "Drivers.UARTDriver": 4,
        "Gateway.Configuration": 5,
        "Gateway.Configuration.Port": 4,
        "Gateway.ConfigurationReader": 21,
        "Gateway.Gateway": 25,
        "Gateway.PageText": 7,
        "Platform.Link": 5,
        "Platform.SerialPorts": 4,
        "Simulators.BridgeEmulator": 7,
    ]
    /// Lines of a function.
    static let functionLines: [String: Int] = [
        "Sources/Adapter/Decoder.swift init": 71,
        "Sources/Gateway/Configuration/FrameSiteSection.swift readFrameSite": 74,
    ]
    /// Lines of more than 100 columns, by target: texts that the formatter does not break.
    static let wideLines: [String: Int] = [
        "Adapter": 2,
        "BaseTests": 1,
        "Bridge": 25,
        "BridgeTests": 10,
        "Drivers": 30,
        "DriversTests": 4,
        "Fuzz": 53,
        "Gateway": 295,
        "GatewayTests": 108,
        "Host": 1,
        "MQTTTests": 5,
        "ModbusTests": 1,
        "PeerTests": 39,
        "Platform": 38,
        "PlatformTests": 6,
        "SimulationTests": 15,
        "Simulators": 13,
        "SimulatorsTests": 21,
        "Spool": 5,
        "fieldgw": 80,
        "fieldsim": 51,
    ]
    /// Comments that begin with a pronoun, by target.
    static let vagueComments: [String: Int] = [:]
}
