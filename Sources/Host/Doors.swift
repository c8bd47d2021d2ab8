import Base
import Gateway
import Platform

/// The sockets on which the gateway listens: the HTTP door, and the servers of lines that other
/// masters use.
final class Doors {
    private let loop: EventLoop
    private let deliver: (Event) -> Void
    private let tell: (Notice) -> Void
    private let door: DoorShell
    private var services: [PortName: DoorShell] = [:]

    init(loop: EventLoop, deliver: @escaping (Event) -> Void, tell: @escaping (Notice) -> Void) {
        self.loop = loop
        self.deliver = deliver
        self.tell = tell
        door = DoorShell(loop: loop, deliver: { deliver(.door($0)) }, tell: tell)
    }

    /// Whether the HTTP door's clients are to see the log.
    var isOpen: Bool { door.isOpen }

    /// Something is to be done in the next turn of the loop, whatever the descriptors say.
    var hasPending: Bool { door.hasPending || services.values.contains { $0.hasPending } }

    /// The HTTP door listens there from now on; nil: nowhere.
    func open(_ place: DoorPlace?) { door.open(place) }

    func close() {
        door.close()
        for service in services.values { service.close() }
    }

    // MARK: Effects

    func carryOut(_ effect: DoorEffect) {
        switch effect {
        case .send(let id, let bytes): door.send(id, bytes)
        case .close(let id): door.close(id)
        }
    }

    func carryOut(_ effect: ServiceEffect, of port: PortName) {
        switch effect {
        case .listen(let address, let number):
            let service = services[port] ?? makeService(port)
            services[port] = service
            service.open(DoorPlace(address: address, port: number, tls: nil, mark: []))
        case .end: services.removeValue(forKey: port)?.close()
        case .send(let id, let bytes): services[port]?.send(id, bytes)
        case .close(let id): services[port]?.close(id)
        }
    }

    private func makeService(_ port: PortName) -> DoorShell {
        let deliver = deliver
        return DoorShell(loop: loop, subsystem: "serve", subject: port.text) {
            deliver(.service(port, $0))
        } tell: { [tell] in
            tell($0)
        }
    }

    // MARK: Time

    /// Whether there is time for a slice of the HTTP door's answers.
    func mayServe(before sending: Instant, at now: Instant) -> Bool {
        door.mayServe(before: sending, at: now)
    }

    func takeTurn() {
        if door.hasPending { door.takeTurn() }
        for service in services.values where service.hasPending { service.takeTurn() }
    }

    var deadline: Instant? {
        let services = services.values.lazy.compactMap(\.deadline).min()
        guard let own = door.deadline else { return services }
        return min(own, services ?? own)
    }

    func timeout(at now: Instant) {
        door.timeout(at: now)
        for service in services.values { service.timeout(at: now) }
    }
}
