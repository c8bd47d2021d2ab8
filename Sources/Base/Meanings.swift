/// Words of other programs, of manuals and of C for what the configuration calls otherwise. They
/// are compared in small letters, without blanks, dashes and underscores.
enum Meanings {
    /// The known words that `word` means, the likeliest first.
    static func of(_ word: ByteString) -> [ByteString] { table[word] ?? [] }

    /// The word in small letters, without blanks, dashes and underscores.
    static func squeezed(_ word: ByteString) -> ByteString {
        ByteString(
            decoding: word.utf8.filter { ![0x20, 0x2D, 0x5F].contains($0) }
                .map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 })
    }

    private static let table: [ByteString: [ByteString]] = {
        var table: [ByteString: [ByteString]] = [:]
        for (meant, words) in types + keys + choices {
            for word in words.split(separator: " ") {
                table[ByteString(String(word)), default: []].append(meant)
            }
        }
        return table
    }()

    private static let types: [(ByteString, String)] = [
        ("bool", "boolean bit flag"), ("uint8", "u8 byte uchar ubyte"),
        ("int8", "s8 i8 char sbyte"),
        ("int16", "s16 i16 int short sint16 signed int16t integer"),
        ("uint16", "u16 uint word ushort unsigned register uint16t"),
        ("int32", "s32 i32 long dint sint32 int32t longint"),
        ("uint32", "u32 dword ulong udint uint32t acc32"),
        ("int64", "s64 i64 longlong lint int64t"),
        ("uint64", "u64 qword ulonglong ulint uint64t acc64"),
        ("float32", "float f32 real single ieee754 ieee float32t"),
        ("float64", "double f64 lreal float64t"), ("float16", "half f16"),
        ("string", "str text ascii char utf8"), ("hex", "raw bytes octets"),
        ("bits", "bitfield bitmask bitmap flags enumbits"),
        ("datetime", "date time timestamp clock"), ("bcd16", "bcd"),
    ]

    private static let keys: [(ByteString, String)] = [
        (
            "unit",
            "slave slaveid slaveaddress slaveaddr unitid uid deviceaddress deviceid address addr "
                + "id node nodeid station"
        ),
        (
            "every",
            "interval poll pollinterval pollrate pollingrate polling period scaninterval scanrate "
                + "cycle refresh rate frequency updateinterval"
        ),
        ("responseTimeout", "timeout readtimeout requesttimeout waittime"),
        ("baud", "baudrate speed bitrate bps"), ("dataBits", "bytesize databit charsize"),
        ("stopBits", "stop stopbit"),
        ("device", "tty serial serialport path port com dev interface"),
        ("driver", "protocol type mode transport"), ("retries", "retry retrycount attempts"),
        ("turnaround", "interframedelay gap pause"), ("delay", "wait interrequestdelay pause"),
        ("nodes", "devices slaves sensors meters units"),
        ("ports", "lines buses bus serial serialports connections interfaces"),
        ("points", "registers tags datapoints channels values measurements metrics variables"),
        ("fields", "points registers tags values"),
        ("holding", "holdingregister holdingregisters hr register reg address addr"),
        ("input", "inputregister inputregisters ir"),
        ("discrete", "discreteinput discreteinputs di"),
        ("coil", "coils digitaloutput do"),
        ("type", "datatype format dtype valuetype"),
        ("order", "byteorder wordorder endian endianness swap byteswap wordswap"),
        ("scale", "factor multiplier gain coefficient ratio resolution multiply"),
        ("offset", "addend bias add"), ("units", "uom unitofmeasurement unit"),
        ("length", "count size quantity len"), ("writable", "writeable rw write readwrite"),
        ("writeOnly", "wo"), ("map", "enum values states mapping"), ("bits", "bitfield flags mask"),
        ("profile", "template model devicetype"), ("deadband", "threshold hysteresis delta"),
        ("bridge", "mqtt broker cloud"), ("host", "broker server url hostname address uri"),
        ("username", "user login"), ("password", "pass passwd pwd passphrase secret"),
        ("ca", "cafile cacert cacerts rootca truststore cacertificate roots"),
        ("clientCertificate", "cert certfile certificate clientcert tlscert"),
        ("clientKey", "keyfile key tlskey"), ("privateKey", "keyfile key privkey"),
        ("certificate", "cert certfile"), ("tls", "ssl secure usetls"),
        ("gateway", "gatewayid id name"), ("clientID", "clientid id"),
        ("logLevel", "log logging loglevel verbosity debug"),
        ("spool", "journal buffer queue storage"), ("directory", "dir path folder"),
    ]

    private static let choices: [(ByteString, String)] = [
        ("none", "n no off false 0"), ("even", "e"), ("odd", "o"),
        ("modbus-rtu", "modbus rtu modbusserial serial"), ("uart", "serial raw text ascii"),
        ("warning", "warn"), ("debug", "trace verbose"), ("onSend", "high up"),
    ]
}
