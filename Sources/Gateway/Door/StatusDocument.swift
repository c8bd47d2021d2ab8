import Base

/// The document behind `fieldgw status --json`: one port or one device after the other.
struct StatusDocument: SlicedDocument {
    private enum Stage { case head, ports(next: Int), tail, devices(next: Int), end }

    private let devices: [DeviceID]
    private var stage = Stage.head
    private var writer = JSONWriter()

    init(_ gateway: Gateway) { devices = gateway.adapter.bindings.map(\.device) }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        while writer.bytes.count < DocumentSlice.sizeAimed {
            switch stage {
            case .head:
                writer.beginObject()
                gateway.writeHead(&writer, at: now)
                gateway.writeRun(&writer, at: now)
                gateway.writeProblems(&writer, at: now)
                gateway.writeAlarms(&writer, at: now)
                writer.key("bridge")
                writer.object { gateway.writeBridge(&$0, at: now) }
                writer.key("spool")
                writer.object { gateway.writeSpool(&$0, at: now) }
                writer.key("ports")
                writer.beginObject()
                stage = .ports(next: 0)
            case .ports(let next) where next < gateway.ports.count:
                writer.key(gateway.ports[next].name.text)
                let port = gateway.ports[next]
                writer.object { gateway.writePort(port, &$0, .replyTimes, at: now) }
                stage = .ports(next: next + 1)
            case .ports:
                writer.endObject()
                stage = .tail
            case .tail:
                gateway.writeTrouble(&writer)
                writer.key("commands")
                writer.object { gateway.writeCommands(&$0) }
                writer.key("devices")
                writer.beginObject()
                stage = .devices(next: 0)
            case .devices(let next) where next < devices.count:
                stage = .devices(next: next + 1)
                guard let binding = gateway.adapter.binding(of: devices[next]) else { continue }
                writer.key(binding.device.text)
                writer.object { gateway.writeDevice(binding.device, binding.address, &$0) }
            case .devices:
                writer.endObject()
                writer.endObject()
                stage = .end
            case .end: return DocumentSlice(bytes: writer.takeBytes(), rest: .done)
            }
        }
        return DocumentSlice(bytes: writer.takeBytes(), rest: .more)
    }
}

/// The last good values of every device, or of one, with their age.
struct ValuesDocument: SlicedDocument {
    /// Bytes after which a page ends.
    private static let pageAimed = 64 << 10

    private let devices: [DeviceID]
    private var next = 0
    private var hasBegun = false
    private var writer = JSONWriter()

    /// - Parameter only: nil: all devices.
    init(_ gateway: Gateway, of only: DeviceID? = nil) {
        devices = only.map { [$0] } ?? gateway.adapter.bindings.map(\.device)
    }

    mutating func slice(of gateway: Gateway, at now: Moment) -> DocumentSlice {
        if !hasBegun { begin(at: now) }
        write(of: gateway, until: DocumentSlice.sizeAimed, at: now)
        guard next >= devices.count else {
            return DocumentSlice(bytes: writer.takeBytes(), rest: .more)
        }
        writer.endObject()
        writer.endObject()
        return DocumentSlice(bytes: writer.takeBytes(), rest: .done)
    }

    /// A whole document of some devices; its `next` tells where the following page begins.
    /// - Parameter first: how many devices earlier pages held.
    mutating func page(of gateway: Gateway, from first: Int, at now: Moment) -> [UInt8] {
        next = min(first, devices.count)
        begin(at: now)
        write(of: gateway, until: Self.pageAimed, at: now)
        writer.endObject()
        if next < devices.count { writer.member("next", next) }
        writer.endObject()
        return writer.takeBytes()
    }

    private mutating func begin(at now: Moment) {
        hasBegun = true
        writer.beginObject()
        writer.member("ts", now.wall)
        writer.key("devices")
        writer.beginObject()
    }

    private mutating func write(of gateway: Gateway, until size: Int, at now: Moment) {
        while next < devices.count, writer.bytes.count < size {
            defer { next += 1 }
            guard let binding = gateway.adapter.binding(of: devices[next]) else { continue }
            writer.key(binding.device.text)
            writer.object { gateway.writeDeviceValues(binding, &$0, at: now) }
        }
    }
}
