import Modbus

/// The functions beyond the tables; the examples of sections 6.7 to 6.21 where there are any.
let furtherSamples: [Sample] =
    [
        Sample(
            name: "7 read exception status",
            request: .readExceptionStatus, asked: "07",
            response: .exceptionStatus(0x6D), answered: "07 6D"),
        Sample(
            name: "11 event counter",
            request: .getEventCounter, asked: "0B",
            response: .eventCounter(isBusy: true, events: 0x108),
            answered: "0B FF FF 01 08"),  // code, busy, events
        Sample(
            name: "12 event log",
            request: .getEventLog, asked: "0C",
            response: .eventLog(isBusy: false, events: 0x108, messages: 0x121, [0x20, 0]),
            // Code, byte count, idle, events, messages, log.
            answered: "0C 08 00 00 01 08 01 21 20 00"),
        Sample(
            name: "17 report server id",
            request: .reportServerID, asked: "11",
            // Id "AB", running.
            response: .serverID([0x41, 0x42, 0xFF]), answered: "11 03 41 42 FF"),
        Sample(
            name: "17 report server id, empty",
            request: .reportServerID, asked: "11", response: .serverID([]), answered: "11 00"),
        Sample(
            name: "20 read file record",
            request: .readFile([
                FileReference(file: 4, record: 1, count: 2),
                FileReference(file: 3, record: 9, count: 2),
            ]),
            // Code and byte count, then type, file, record and count of each.
            asked: "14 0E 06 00 04 00 01 00 02 06 00 03 00 09 00 02",
            response: .fileRecords([[0x0DFE, 0x20], [0x33CD, 0x40]]),
            answered: "14 0C 05 06 0D FE 00 20 05 06 33 CD 00 40"),
        Sample(
            name: "21 write file record",
            request: .writeFile([FileRecord(file: 4, record: 7, values: [0x06AF, 0x04BE, 0x100D])]),
            asked: "15 0D 06 00 04 00 07 00 03 06 AF 04 BE 10 0D",
            response: .wroteFile([FileRecord(file: 4, record: 7, values: [0x06AF, 0x04BE, 0x100D])]
            ),
            answered: "15 0D 06 00 04 00 07 00 03 06 AF 04 BE 10 0D"),
        Sample(
            name: "24 read FIFO queue",
            request: .readFIFO(address: 0x04DE), asked: "18 04 DE",
            response: .fifo([0x1B8, 0x1284]),
            answered: "18 00 06 00 02 01 B8 12 84"),  // code, byte count, FIFO count, values
        Sample(
            name: "24 read empty FIFO queue",
            request: .readFIFO(address: 0), asked: "18 00 00", response: .fifo([]),
            answered: "18 00 02 00 00"),
        Sample(
            name: "43/14 basic identification",
            request: .identify(.basic, from: 0), asked: "2B 0E 01 00",
            response: .identification(
                DeviceIdentification(
                    access: .basic, conformity: 1,
                    objects: [.init(id: 0, value: bytes("41 42 43")), .init(id: 1, value: [])])),
            // Two objects, the second is empty.
            answered: "2B 0E 01 01 00 00 02 00 03 41 42 43 01 00"),
        Sample(
            name: "43/14 regular identification, more follows",
            request: .identify(.regular, from: 0), asked: "2B 0E 02 00",
            response: .identification(
                DeviceIdentification(
                    access: .regular, conformity: 0x82, next: 4,
                    objects: [.init(id: 3, value: [0x75])])),
            answered: "2B 0E 02 82 FF 04 01 03 01 75"),
        Sample(
            name: "43/14 extended identification",
            request: .identify(.extended, from: 0x80), asked: "2B 0E 03 80",
            response: .identification(
                DeviceIdentification(
                    access: .extended, conformity: 0x83,
                    objects: [.init(id: 0x80, value: [1]), .init(id: 0xFF, value: [2, 3])])),
            answered: "2B 0E 03 83 00 00 02 80 01 01 FF 02 02 03"),
        Sample(
            name: "43/14 one object",
            request: .identify(.individual, from: 4), asked: "2B 0E 04 04",
            response: .identification(
                DeviceIdentification(
                    access: .individual, conformity: 0x82,
                    objects: [.init(id: 4, value: bytes("4D 31"))])),
            answered: "2B 0E 04 82 00 00 01 04 02 4D 31"),
    ] + diagnosticSamples + refusals

/// Section 6.8: sub-function, one word; the reply echoes the word or holds a counter.
private let diagnosticSamples: [Sample] = DiagnosticFunction.all.map { function in
    let word: UInt16 =
        function == .restartCommunications ? 0xFF00 : function == .returnQueryData ? 0xA537 : 0
    let answer: UInt16 = function.echoes ? word : 0x100 + function.rawValue
    func text(_ data: UInt16) -> String {
        [0x08, 0x00, Int(function.rawValue), Int(data >> 8), Int(data & 0xFF)]
            .map { String($0, radix: 16) }.joined(separator: " ")
    }
    return Sample(
        name: "8/\(function.rawValue) \(function)", request: .diagnose(function, word),
        asked: text(word),
        response: .diagnosed(function, answer), answered: text(answer))
}

/// Every exception code, by functions of every kind.
private let refusals: [Sample] = [
    (
        "3 refused with 1", Request.read(.readHoldingRegisters, address: 0, count: 1),
        "03 00 00 00 01", "83 01"
    ),
    ("16 refused with 3", .writeRegisters(address: 0, [1]), "10 00 00 00 01 02 00 01", "90 03"),
    ("7 refused with 4", .readExceptionStatus, "07", "87 04"),
    (
        "21 refused with 5", .writeFile([FileRecord(file: 1, record: 0, values: [9])]),
        "15 09 06 00 01 00 00 00 01 00 09", "95 05"
    ),
    ("12 refused with 6", .getEventLog, "0C", "8C 06"),
    ("8 refused with 7", .diagnose(.clearCounters, 0), "08 00 0A 00 00", "88 07"),
    (
        "20 refused with 8", .readFile([FileReference(file: 1, record: 0, count: 1)]),
        "14 07 06 00 01 00 00 00 01", "94 08"
    ),
    ("43 refused with 10", .identify(.basic, from: 0), "2B 0E 01 00", "AB 0A"),
    (
        "23 refused with 11", .readWrite(address: 0, count: 1, writeAddress: 0, [1]),
        "17 00 00 00 01 00 00 00 01 02 00 01", "97 0B"
    ),
].map { name, request, asked, answered in
    Sample(
        name: name, request: request, asked: asked,
        response: .exception(request.function, ExceptionCode(rawValue: bytes(answered)[1])),
        answered: answered)
}

/// Functions whose length no table tells.
let makersSamples: [Sample] = ([65, 72, 100, 110] as [UInt8]).map { code in
    let function = FunctionCode(rawValue: code)
    let hex = String(code, radix: 16)
    return Sample(
        name: "\(code) of a maker", request: .other(function, [1, 2, 3]), asked: "\(hex) 01 02 03",
        response: .other(function, [9, 8, 7, 6]), answered: "\(hex) 09 08 07 06")
}
