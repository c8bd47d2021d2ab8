// swift-tools-version: 6.0
import PackageDescription

// No packages: the toolchain's libraries, Glibc and OpenSSL 3 are all the product needs.
// The import table that these dependencies spell out is enforced by Tests/TidyTests.

let pure: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

/// Tests that only call what they test: optimising them takes longer than running them.
let plain = pure + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

func library(_ name: String, _ dependencies: [String]) -> Target {
    .target(name: name, dependencies: dependencies.map { .byName(name: $0) }, swiftSettings: pure)
}

func tests(_ name: String, _ dependencies: [String], optimised: Bool = false) -> Target {
    .testTarget(
        name: name, dependencies: (dependencies + ["TestKit"]).map { .byName(name: $0) },
        swiftSettings: optimised ? pure : plain)
}

/// What fuzz targets feed.
let fuzzed = [
    "Base", "Modbus", "MQTT", "HTTP", "Line", "Drivers", "Adapter", "Spool", "Bridge", "Gateway",
    "Simulators",
]

let package = Package(
    name: "fieldgw",
    targets: [
        .target(name: "CLinux"),
        .systemLibrary(name: "COpenSSL"),

        .target(name: "Base", swiftSettings: pure, linkerSettings: [.linkedLibrary("m")]),
        library("Modbus", ["Base"]),
        library("MQTT", ["Base"]),
        library("HTTP", ["Base"]),
        library("Line", ["Base", "Modbus"]),
        library("Drivers", ["Base", "Modbus", "Line"]),
        library("Adapter", ["Base"]),
        library("Spool", ["Base"]),
        library("Bridge", ["Base", "MQTT"]),
        .target(
            name: "Gateway",
            dependencies: [
                "Base", "Modbus", "MQTT", "HTTP", "Line", "Drivers", "Adapter", "Spool", "Bridge",
            ],
            exclude: ["Door/Page"], swiftSettings: pure),
        library("Simulators", ["Base", "Modbus", "MQTT", "HTTP", "Bridge"]),
        library("Platform", ["Base", "CLinux", "COpenSSL"]),
        library(
            "Host",
            [
                "Base", "Modbus", "MQTT", "Line", "Drivers", "Adapter", "Spool", "Bridge",
                "Gateway",
                "Platform",
            ]),

        .executableTarget(
            name: "fieldgw", dependencies: ["Host", "Gateway", "Platform"], swiftSettings: pure),
        .executableTarget(
            name: "fieldsim", dependencies: ["Spool", "Simulators", "Host", "Gateway", "Platform"],
            swiftSettings: pure),

        .target(
            name: "TestKit", dependencies: ["Base", "Line"], path: "Tests/TestKit",
            swiftSettings: pure),
        tests("BaseTests", ["Base"]),
        tests("ModbusTests", ["Modbus"]),
        tests("MQTTTests", ["MQTT"]),
        tests("HTTPTests", ["HTTP"]),
        tests("LineTests", ["Line", "Modbus"]),
        tests("DriversTests", ["Drivers", "Line"]),
        tests("AdapterTests", ["Adapter"]),
        .testTarget(
            name: "SpoolTests", dependencies: ["Spool", "TestKit"], exclude: ["Golden"],
            swiftSettings: pure),
        tests("BridgeTests", ["Bridge"]),
        .testTarget(
            name: "GatewayTests", dependencies: ["Gateway", "Line", "TestKit"],
            exclude: ["Golden"], swiftSettings: plain),
        tests("PlatformTests", ["Platform", "CLinux"]),
        tests("HostTests", ["Host", "Line", "Modbus", "Platform"]),
        tests("SimulatorsTests", ["Simulators", "MQTT", "HTTP"]),
        tests(
            "SimulationTests",
            ["Base", "Modbus", "MQTT", "Line", "Drivers", "Spool", "Gateway", "Simulators"],
            optimised: true),
        .testTarget(
            name: "PeerTests", dependencies: ["Platform"], exclude: ["peers"], swiftSettings: plain),
        .target(
            name: "FuzzKit", dependencies: ["Base"], path: "Tests/Fuzz/Kit", swiftSettings: pure),
        .target(
            name: "FuzzTargets",
            dependencies: (["FuzzKit", "TestKit"] + fuzzed).map { .byName(name: $0) },
            path: "Tests/Fuzz/Targets", swiftSettings: pure),
        tests("FuzzTests", ["FuzzKit", "FuzzTargets"]),
        .testTarget(name: "TidyTests", swiftSettings: plain),
    ],
    swiftLanguageModes: [.v6]
)
