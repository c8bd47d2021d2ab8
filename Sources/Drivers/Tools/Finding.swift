import Base
import Modbus

/// One unit that a scan has found, and what it said.
package struct Finding: Hashable, Sendable {
    package var unit: UInt8
    package var line: LineSettings
    /// The read that it answered.
    package var probe: Request
    package var answer: Response
    /// The longest that it took to begin an answer.
    package var turnaround: Duration
    package var identity = DeviceIdentity()
    /// Answers to the further reads that tell devices apart: the bytes behind the byte count.
    package var reads: [Request: [UInt8]] = [:]
    /// More sound answers came than questions were asked: two devices, one id.
    package var answersTwice = false

    package init(
        unit: UInt8, line: LineSettings, probe: Request, answer: Response, turnaround: Duration
    ) {
        self.unit = unit
        self.line = line
        self.probe = probe
        self.answer = answer
        self.turnaround = turnaround
    }

    /// The exception code, if the probe was refused: the unit is there all the same.
    package var exception: ExceptionCode? {
        if case .exception(_, let code) = answer { code } else { nil }
    }
}

/// Observations of a scan besides the units that it found.
package struct ScanNotes: Hashable, Sendable {
    /// Units whose answers were damaged every time, and at which setting.
    package struct Garbled: Hashable, Sendable {
        package var unit: UInt8
        package var line: LineSettings
    }

    package struct Noise: Hashable, Sendable {
        package var line: LineSettings
        package var bytes: Int
    }

    package var garbled: [Garbled] = []
    /// Bytes that belonged to no sound answer, per setting in the order of the scan.
    package var noise: [Noise] = []
    /// Settings that the port cannot do, in its own words.
    package var refused: [String] = []
}

extension Scanner {
    /// Points that the person should look at, a sentence each.
    package var hints: [String] {
        var hints = notes.refused
        let doubled = findings.filter(\.answersTwice).map { "\($0.unit)" }
        if !doubled.isEmpty {
            hints.append(
                "unit \(doubled.joined(separator: ", ")) answered one question twice: two devices have this id; "
                    + "take one off the line and change its id")
        }
        for line in settings.lines {
            let garbled = notes.garbled.filter { $0.line == line }.map(\.unit)
            let sound = findings.filter { $0.line == line }.count
            guard !garbled.isEmpty else { continue }
            let units =
                garbled.prefix(8).map { "\($0)" }.joined(separator: ", ")
                + (garbled.count > 8 ? ", …" : "")
            if garbled.count > 8, sound == 0 {
                hints.append(
                    "at \(line.describe) every answer was damaged: the adapter may echo what it sends, or the "
                        + "line is noisy or its termination and bias are missing")
            } else if sound > 0 {
                hints.append(
                    "at \(line.describe) the answers of unit \(units) were damaged every time while others are "
                        + "sound: two devices have this id, or it is far away and the line lacks its termination"
                )
            } else {
                hints.append(
                    "at \(line.describe) something answers as unit \(units), damaged every time: another parity or "
                        + "stop bit setting, two devices with one id, or noise")
            }
        }
        let noisy = notes.noise.filter { noise in
            noise.bytes > 16 && !notes.garbled.contains { $0.line == noise.line }
                && !findings.contains { $0.line == noise.line }
        }
        if !noisy.isEmpty, findings.isEmpty {
            let places = noisy.map { "\($0.bytes) at \($0.line.describe)" }.joined(separator: ", ")
            hints.append(
                "bytes came that are no answer (\(places)): "
                    + "does another master talk on this line? `fieldgw sniff` shows it")
        }
        return hints
    }
}
