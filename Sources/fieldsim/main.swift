import Platform

Startup.prepare()

let table = VerbTable(
    program: "fieldsim",
    summary:
        "fieldsim: the far ends of a field gateway, for trying and testing: serial lines with Modbus units, "
        + "a Cloud IoT Core style bridge, and a journal under load",
    version: "0.1.0",
    verbs: [DemoVerb.verb, BusVerb.verb, BridgeVerb.verb, JournalVerb.verb])

table.main()
