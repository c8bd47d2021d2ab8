import Foundation
import Glibc
import Platform

/// RabbitMQ nodes with the MQTT plugin on loopback ports of their own, under a port mapper of their
/// own: a machine's other RabbitMQ is not touched, and all of it ends by its pids.
final class RabbitMQ {
    struct Node {
        var name: String
        var mqtt: Int
        var amqp: Int
        var process: Peer
    }

    private let workspace: Workspace
    private let mapper: Peer
    private let mapperPort: Int
    private(set) var nodes: [Node] = []

    /// Nodes find each other by their configuration and make one cluster.
    init(nodes count: Int, in workspace: Workspace) throws {
        self.workspace = workspace
        mapperPort = try Tools.freePort()
        mapper = try Peer(
            try Tools.find("epmd", package: "erlang-base"),
            ["-port", "\(mapperPort)", "-address", "127.0.0.1"])
        try Tools.until("epmd listens on \(mapperPort)") { Tools.accepts(mapperPort) }
        let names = (1...count).map { "r\($0)@localhost" }
        for name in names { nodes.append(try start(name, among: names)) }
        for node in nodes {
            try Tools.until("\(node.name) speaks MQTT on \(node.mqtt)", within: 180) {
                Tools.accepts(node.mqtt)
            }
        }
    }

    private func start(_ name: String, among names: [String]) throws -> Node {
        let (mqtt, amqp, other) = (try Tools.freePort(), try Tools.freePort(), try Tools.freePort())
        let folder = workspace.path(name)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var lines = [
            "listeners.tcp.default = 127.0.0.1:\(amqp)",
            "mqtt.listeners.tcp.default = 127.0.0.1:\(mqtt)",
            "mqtt.allow_anonymous = false", "loopback_users = none", "log.console = false",
            "vm_memory_high_watermark.absolute = 1GB",
        ]
        if names.count > 1 {
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            lines += names.enumerated().map {
                "cluster_formation.classic_config.nodes.\($0 + 1) = \($1)"
            }
        }
        let file = try workspace.write("\(name).conf", lines.joined(separator: "\n") + "\n")
        let plugins = try workspace.write("\(name).plugins", "[rabbitmq_mqtt].\n")
        let environment = [
            "PATH=\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")",
            "HOME=\(folder)",
            "ERL_EPMD_PORT=\(mapperPort)", "ERL_EPMD_ADDRESS=127.0.0.1",
            "RABBITMQ_NODENAME=\(name)",
            "RABBITMQ_MNESIA_BASE=\(folder)/mnesia", "RABBITMQ_LOG_BASE=\(folder)/log",
            "RABBITMQ_CONFIG_FILE=\(file)", "RABBITMQ_ENABLED_PLUGINS_FILE=\(plugins)",
            "RABBITMQ_DIST_PORT=\(other)", "RABBITMQ_CONF_ENV_FILE=/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-setcookie fieldgw +S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
            // The script becomes the server instead of watching over it.
            "RUNNING_UNDER_SYSTEMD=true",
        ]
        let program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        guard FileManager.default.isExecutableFile(atPath: program) else {
            throw MissingPeer(
                description:
                    "rabbitmq-server is missing: apt-get install rabbitmq-server (board/test does it)"
            )
        }
        let process = try Peer(program, [], environment: environment, quiet: true)
        return Node(name: name, mqtt: mqtt, amqp: amqp, process: process)
    }

    func stop() {
        for node in nodes { node.process.end() }
        mapper.stop()
    }

    deinit { stop() }
}
