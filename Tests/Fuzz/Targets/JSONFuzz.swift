import Base
import FuzzKit

/// The JSON reader in both dialects, judged by another reader and by what it prints.
package enum JSONFuzz: FuzzTarget {
    package static func run(_ input: [UInt8]) {
        let judge = StrictJSON.examine(input)
        let extent = TextExtent(input)
        do {
            let value = try JSONReader.parse(input)
            demand(judge != nil, "the reader takes what is no JSON")
            demand(judge?.hasTwins != true, "the reader takes a key twice")
            checkPrinted(value)
            checkPlaces(value, extent)
            checkWidened(input, value)
        } catch {
            extent.check(error.position)
            guard let judge, !judge.hasTwins else { return checkFive(input, extent) }
            demand(
                judge.depth > JSONReader.depthMax || judge.numberMax > 400,
                "the reader refuses JSON: \(error.message)")
        }
        checkFive(input, extent)
    }

    /// What is printed is JSON, reads as the same value and prints the same again.
    private static func checkPrinted(_ value: JSON) {
        let text = value.text
        StrictJSON.demand(Array(text.utf8), "what the writer makes of a value")
        guard let again = try? JSONReader.parse(text) else {
            fatalError("what was printed cannot be read")
        }
        demand(again.text == text, "printing is not stable: \(text) and \(again.text)")
        demand(isSame(value, again), "what was printed reads as another value: \(text)")
    }

    private static func isSame(_ left: JSON, _ right: JSON) -> Bool {
        switch (left.kind, right.kind) {
        case (.null, .null): true
        case (.bool(let one), .bool(let other)): one == other
        case (.string(let one), .string(let other)): one.utf8.elementsEqual(other.utf8)
        case (.number, .null): left.double == nil
        case (.number, .number): left.double == right.double && left.integer == right.integer
        case (.array(let one), .array(let other)):
            one.count == other.count && zip(one, other).allSatisfy { isSame($0, $1) }
        case (.object(let one), .object(let other)):
            one.count == other.count
                && zip(one, other).allSatisfy {
                    $0.name.utf8.elementsEqual($1.name.utf8) && isSame($0.value, $1.value)
                }
        default: false
        }
    }

    /// Places are inside the text and in its order.
    private static func checkPlaces(_ value: JSON, _ extent: TextExtent) {
        var last = TextPosition(line: 1, column: 1)
        func visit(_ value: JSON) {
            extent.check(value.position)
            demand(value.position >= last, "a value stands before the one that it follows")
            last = value.position
            for item in value.array ?? [] { visit(item) }
            for member in value.members ?? [] {
                extent.check(member.position)
                demand(member.position >= last, "a key stands before what it follows")
                last = member.position
                visit(member.value)
            }
        }
        visit(value)
    }

    /// JSON5 holds all of JSON, with the same meaning.
    private static func checkWidened(_ input: [UInt8], _ value: JSON) {
        guard let five = try? JSONReader.parse(input, .json5) else {
            fatalError("JSON5 refuses JSON")
        }
        demand(isSame(five, value) || five.text == value.text, "JSON5 reads another value")
    }

    /// Every problem of a file that people write has its place, and reading one more tolerantly
    /// finds no less. A bracket that is never closed is told where it was opened.
    private static func checkFive(_ input: [UInt8], _ extent: TextExtent) {
        let (value, errors) = JSONReader.parseAll(input)
        for error in errors { extent.check(error.position) }
        demand(value != nil || !errors.isEmpty, "neither a value nor a problem")
        demand(errors.count <= 101, "\(errors.count) problems of one text")
        if let value {
            demand(StrictJSON.examine(Array(value.text.utf8)) != nil, "no JSON was printed")
        }
        guard let first = errors.first else { return }
        do {
            _ = try JSONReader.parse(input, .json5)
            fatalError("a problem is told of a text that is read without")
        } catch {
            let isUnclosed = errors.count == 1 && first.message.contains("never ends")
            demand(
                error == first || isUnclosed, "the first problem is another one when all are told")
        }
    }
}

/// How far a text goes, in lines and in columns of each line, as positions count them.
package struct TextExtent {
    /// Scalars of each line.
    private var lines: [Int] = [0]

    package init(_ bytes: [UInt8]) {
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar == "\n" { lines.append(0) } else { lines[lines.count - 1] += 1 }
        }
    }

    package func check(_ position: TextPosition) {
        demand((1...lines.count).contains(position.line), "line \(position.line) of \(lines.count)")
        let columns = lines[position.line - 1] + 1
        demand((1...columns).contains(position.column), "column \(position.column) of \(columns)")
    }
}
