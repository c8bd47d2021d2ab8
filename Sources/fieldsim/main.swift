import Platform

Startup.prepare()

let table = VerbTable(
    program: "fieldsim",
    summary: "fieldsim: the far ends of a field gateway, for trying and testing: serial lines with Modbus units, "
        + "and a Cloud IoT Core style bridge",
    version: "0.1.0",
    verbs: [DemoVerb.verb, BusVerb.verb, BridgeVerb.verb])

table.main()
