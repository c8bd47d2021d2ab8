import Base
import Bridge
import MQTT
import Testing

/// Config and commands: acknowledged when accepted, everything else acknowledged and dropped.
@Suite struct SessionInboundTests {
    func pubacks(_ world: World) -> Int {
        world.broker.received.filter { $0.type == .puback }.count
    }

    func online() -> World {
        var world = World(["dev-1"])
        world.start()
        world.run(.seconds(2))
        return world
    }

    @Test("Fault 37, config again on reconnect: acknowledged only when accepted")
    func configIsAcknowledgedOnlyWhenAccepted() {
        var world = online()
        world.broker.send("/devices/dev-1/config", [1, 2], id: 9)
        world.drain()
        world.run(.seconds(5))
        #expect(world.configs.count == 1)
        #expect(world.configs.first?.0 == device("dev-1"))
        #expect(world.configs.first?.1 == [1, 2])
        #expect(pubacks(world) == 0)
        world.session.acknowledge(world.configs[0].2, at: world.now)
        world.drain()
        #expect(pubacks(world) == 1)
        world.session.acknowledge(world.configs[0].2, at: world.now)
        world.drain()
        #expect(pubacks(world) == 1)
    }

    @Test("Fault 36, a command twice: a repeat meanwhile is not delivered")
    func aRepeatWhileItIsBeingWorkedOnIsNotDeliveredTwice() {
        var world = online()
        world.broker.send("/devices/dev-1/commands/pump/on", [1], id: 9)
        world.broker.send("/devices/dev-1/commands/pump/on", [1], id: 9, dup: true)
        world.drain()
        world.run(.seconds(1))
        #expect(world.commands.count == 1)
        #expect(world.commands.first?.1 == "pump/on")
        world.session.acknowledge(world.commands[0].3, at: world.now)
        world.drain()
        #expect(pubacks(world) == 1)
    }

    @Test func anEmptyConfigIsDelivered() {
        var world = online()
        world.broker.send("/devices/gw-7/config", [])
        world.drain()
        world.run(.seconds(1))
        #expect(world.configs.map(\.1) == [[]])
    }

    @Test(arguments: [
        "/devices/dev-2/config", "/devices/dev-1/events", "/devices/dev-1", "devices/dev-1/config",
        "/x",
        "/devices/dev-1/config/more", "/devices//config",
    ])
    func anythingElseIsAcknowledgedAndDropped(_ topic: String) {
        var world = online()
        world.broker.send(topic, [1], id: 9)
        world.drain()
        world.run(.seconds(1))
        #expect(world.configs.isEmpty && world.commands.isEmpty)
        #expect(pubacks(world) == 1)
        #expect(world.notices.contains { $0.level == .debug && $0.message.contains("not ours") })
    }

    @Test func anAcknowledgementForAnEarlierConnectionIsNotSent() {
        var world = online()
        world.broker.send("/devices/dev-1/config", [1], id: 9)
        world.drain()
        world.run(.seconds(1))
        world.loseLink()
        world.run(.seconds(5))
        world.session.acknowledge(world.configs[0].2, at: world.now)
        world.drain()
        #expect(pubacks(world) == 0)
    }
}
