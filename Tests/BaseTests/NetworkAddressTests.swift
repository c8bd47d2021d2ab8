import Base
import Testing

/// Addresses of lines at the other end of a connection.
@Suite struct NetworkAddressTests {
    @Test(arguments: [
        ("tcp://10.0.0.5:4001", "10.0.0.5", 4001, "tcp://10.0.0.5:4001"),
        (
            "rfc2217://converter.plant.lan:2217/", "converter.plant.lan", 2217,
            "rfc2217://converter.plant.lan:2217"
        ),
        ("tcp://[2001:db8::1]:502", "2001:db8::1", 502, "tcp://[2001:db8::1]:502"),
    ])
    func itsPartsAreRead(_ text: String, _ host: String, _ port: Int, _ again: String) throws {
        let address = try NetworkAddress(text)
        #expect(address.host == host && address.port == port && address.text == again)
        #expect(NetworkAddress.isMeant(by: text))
    }

    @Test func aPortMayHaveADefault() throws {
        #expect(try NetworkAddress("tcp://plc", portDefault: 502).port == 502)
        #expect(try NetworkAddress("tcp://[::1]", portDefault: 502).host == "::1")
    }

    @Test(arguments: [
        ("udp://10.0.0.5:4001", "there are tcp:// and rfc2217://"),
        ("tcp://10.0.0.5", "needs a TCP port"), ("tcp://10.0.0.5:0", "needs a TCP port"),
        ("tcp://10.0.0.5:65536", "needs a TCP port"), ("tcp://10.0.0.5:+1", "needs a TCP port"),
        ("tcp://:4001", "names no host"), ("tcp://a b:1", "names no host"),
        ("tcp://user@host:1", "names no host"), ("tcp://host:1/path", "needs a TCP port"),
        ("tcp:host:1", "is no address"),
    ])
    func otherTextIsRefusedWithAHint(_ text: String, _ words: String) {
        do {
            let address = try NetworkAddress(text)
            Issue.record("it is \(address.text)")
        } catch {
            #expect(error.message.contains(words), "\(error.message)")
        }
    }

    @Test func aPathIsNone() { #expect(!NetworkAddress.isMeant(by: "/dev/ttyUSB0")) }
}
