import Base
import Gateway
import Testing

/// Points from register tables, modpoll's configurations and SunSpec's models.
@Suite struct ImportTests {
    private func csv(
        _ text: String, base: Int? = nil, table: Table? = nil
    ) throws -> ImportedNodes {
        try RegisterTable.read(Array(text.utf8), file: "t.csv", base: base, table: table)
    }

    private func remarks(_ made: ImportedNodes) -> [String] {
        made.remarks.map { "\($0.place.position.line): \($0.message)" }
    }

    /// All that comes out is a configuration.
    private func expectAccepted(_ points: String, sourceLocation: SourceLocation = #_sourceLocation)
    {
        let (found, problems) = Samples.read(Samples.withPoints(points))
        #expect(found != nil && problems == [], "\(problems)", sourceLocation: sourceLocation)
    }

    @Test func aTableOfReferences() throws {
        let made = try csv(
            """
            Name,Register,Data Type,Scale,Unit
            Voltage L1,30001,uint16,0.1,V
            "Energy, total",40011,uint32,1/100,kWh
            Alarm,10003,bool,,
            """)
        #expect(
            made.text == """
                "Voltage L1": { input: 0, scale: 0.1, units: "V" },
                "Energy, total": { holding: 10, type: "uint32", scale: 0.01, units: "kWh" },
                Alarm: { discrete: 2 },

                """)
        #expect(made.points == 3 && made.dropped == 0 && made.remarks == [])
        expectAccepted(made.text)
    }

    @Test(arguments: [(0, 6), (1, 5)])
    func plainAddressesNeedTheirBase(_ base: Int, _ address: Int) throws {
        let text = "name;address;function\npower;6;FC04\nmode;0x10;FC03\n"
        #expect(throws: RegisterTable.Failure.needsBase) { try csv(text) }
        let made = try csv(text, base: base)
        #expect(
            made.text.hasPrefix("power: { input: \(address) },\nmode: { holding: \(16 - base) },"))
        expectAccepted(made.text)
    }

    /// A protocol address that looks like a reference is written so that nobody takes it for one.
    @Test func aHighAddressIsWrittenInHexadecimal() throws {
        let made = try csv("name,address,table\nsunspec,40001,holding\n", base: 0)
        #expect(made.text == "sunspec: { holding: 0x9C41 },\n")
        expectAccepted(made.text)
    }

    @Test func everyRowThatIsDroppedOrGuessedIsTold() throws {
        let made = try csv(
            """
            name,address,type,order,scale,length,table,note
            a,1,float,word swap,,,holding,x
            a,3,int,,0.5,2,holding,
            b,5,quux,,,,holding,
            c,zzz,uint16,,,,holding,
            d,7,string,,,,holding,
            e,8,string,,,4,holding,
            f,70000,uint16,,,,holding,
            g,12,,,1x,2,holding,
            h,14,uint16,upside down,,,holding,
            i,65535,uint32,,,,holding,
            j,15,uint16,,,,flash,
            k,16,uint16,,,,,

            """, base: 0)
        #expect(
            made.text == """
                a: { holding: 1, type: "float32", order: "CDAB" },
                a_2: { holding: 3, type: "int32", scale: 0.5 },
                e: { holding: 8, type: "string", length: 4 },
                g: { holding: 12, type: "uint32" },
                h: { holding: 14 },
                k: { holding: 16 },

                """, "\(made.text)")
        let told = remarks(made)
        for part in [
            "1: column \"note\" is not used", "2: guessed: \"float\" is float32",
            "3: guessed: \"int\" is int32", "3: the name \"a\" is there already",
            "4: dropped: \"quux\" is no type", "5: dropped: \"zzz\" is no address",
            "6: dropped: a string needs its length", "8: dropped: address 70000 is outside",
            "9: guessed: no type is given, so it is uint32", "9: the scale \"1x\" is no number",
            "10: \"upside down\" is no byte order", "11: dropped: 2 registers from 65535",
            "12: dropped: \"flash\" is no table", "13: guessed: no table is given",
        ] {
            #expect(told.contains { $0.hasPrefix(part) }, "\(part) in \(told)")
        }
        #expect(made.dropped == 6 && told.count == 14, "\(told)")
        expectAccepted(made.text)
    }

    @Test func aTableWithoutAddressesIsUnusable() {
        for text in ["", "name,type\nx,uint16\n", "\u{0}\n"] {
            #expect(throws: RegisterTable.Failure.self) { try csv(text) }
        }
    }

    @Test func modpollsRowsBecomeNodes() throws {
        let made = ModpollTable.read(
            Array(
                """
                # two devices
                device,meter one,1,,
                poll,input_register,0,4,BE_LE
                ref,voltage,0,float32,r,V
                ref,serial,40000,uint16,r,,
                poll,holding_register,10,4,BE_BE
                ref,limit,10,int16,rw,A,0.1
                ref,name,11,string5,r
                device,relay,300
                device,relay,7
                ref,lost,0,bool,r
                poll,coil,0,8
                ref,all,0,bool8,rw
                ref,first,0,bool,rw
                """.utf8), file: "m.csv")
        #expect(
            made.text == """
                "meter one": { unit: 1, points: {
                  voltage: { input: 0, type: "float32", order: "CDAB", units: "V" },
                  serial: { input: 40000 },
                  limit: { holding: 10, type: "int16", scale: 0.1, units: "A", writable: true },
                  name: { holding: 11, type: "string", length: 3 },
                } },
                relay: { unit: 7, points: {
                  first: { coil: 0, writable: true },
                } },

                """, "\(made.text)")
        #expect(
            remarks(made) == [
                "9: dropped: \"300\" is no unit id",
                "11: dropped: no \"poll\" of a device stands before it",
                "13: dropped: bool8 is several bits in one: give each a point of its own",
            ])
        #expect(Samples.read(Samples.withNodes(made.text)).0 != nil)
    }

    static let model = """
        { "id": 9001, "group": { "name": "sample", "type": "group", "points": [
          { "name": "ID", "type": "uint16", "size": 1, "value": 9001 },
          { "name": "L", "type": "uint16", "size": 1 },
          { "name": "P", "type": "int16", "size": 1, "sf": "SF", "units": "W" },
          { "name": "SF", "type": "sunssf", "size": 1 },
          { "name": "St", "type": "enum16", "size": 1, "symbols": [
            { "name": "OFF", "value": 1 }, { "name": "ON", "value": 4 } ] },
          { "name": "Evt", "type": "bitfield32", "size": 2, "symbols": [
            { "name": "HOT", "value": 3 } ] },
          { "name": "Pad", "type": "pad", "size": 1 },
          { "name": "Mn", "type": "string", "size": 8 } ],
          "groups": [
            { "name": "ph", "count": 2, "points": [
              { "name": "V", "type": "uint16", "size": 1, "sf": -1 } ] },
            { "name": "str", "count": 0, "points": [
              { "name": "A", "type": "uint16", "size": 1 } ] } ] } }
        """

    @Test func aSunSpecModelBecomesPoints() throws {
        let made = try SunSpecModel.read(
            Array(Self.model.utf8), file: "model_9001.json", start: 40_070)
        #expect(
            made.text == """
                ID: { holding: 0x9C86, invalid: 0xFFFF },
                L: { holding: 0x9C87, invalid: 0xFFFF },
                P: { holding: 0x9C88, type: "int16", units: "W", scaleFrom: "SF", invalid: 0x8000 },
                SF: { holding: 0x9C89, type: "int16", hidden: true, invalid: 0x8000 },
                St: { holding: 0x9C8A, invalid: 0xFFFF, map: { "1": "OFF", "4": "ON" } },
                Evt: { holding: 0x9C8B, length: 2, invalid: 0xFFFFFFFF, bits: { HOT: 3 } },
                Mn: { holding: 0x9C8E, type: "string", length: 8 },
                ph1_V: { holding: 0x9C96, scale: 0.1, invalid: 0xFFFF },
                ph2_V: { holding: 0x9C97, scale: 0.1, invalid: 0xFFFF },

                """, "\(made.text)")
        #expect(made.dropped == 1 && remarks(made).first?.contains("\"str\"") == true)
        expectAccepted(made.text)
    }

    /// Whatever bytes come, an import ends and what it gives is accepted.
    @Test func damagedTablesAreHarmless() throws {
        let good = Array("name,address,type,scale\na,40001,uint16,0.1\nb,40002,float32,\n".utf8)
        var random = RandomSource(seed: 19)
        for _ in 0..<300 {
            var bytes = good
            for _ in 0..<3 {
                let place = Int(random.next() % UInt64(bytes.count))
                bytes[place] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let made = try? RegisterTable.read(bytes, file: "t", base: nil, table: nil),
                made.points > 0
            else { continue }
            expectAccepted(made.text)
        }
        for cut in 0..<Self.model.utf8.count where cut % 7 == 0 {
            let bytes = Array(Self.model.utf8.prefix(cut))
            #expect(throws: RegisterTable.Failure.self) {
                try SunSpecModel.read(bytes, file: "m", start: 0)
            }
        }
    }
}
