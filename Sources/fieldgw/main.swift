import Platform

Startup.prepare()

let table = VerbTable(
    program: "fieldgw",
    summary: "fieldgw \(Version.text): Modbus and UART sensors to the cloud, without losing a reading",
    version: Version.text,
    verbs: [
        RunVerb.verb, CheckVerb.verb, PlanVerb.verb, PollVerb.verb,
        ScanVerb.verb, ReadVerb.verb, WriteVerb.verb, SniffVerb.verb,
        PortsVerb.verb, StatusVerb.verb, TopVerb.verb, WatchVerb.verb,
        PauseVerb.pause, PauseVerb.resume, DeviceVerb.verb, CaptureVerb.verb, SpoolVerb.verb, KeyVerb.verb,
    ])

table.main()
