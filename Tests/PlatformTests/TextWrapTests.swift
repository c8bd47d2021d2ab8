import Platform
import Testing

/// Help in lines that fit, examples as they are.
@Suite struct TextWrapTests {
    @Test func paragraphsAreJoinedAndExamplesKept() {
        let parts = TextWrap.parts(
            of: "One line\nand the next.\n  example 1\n  example 2\nAfter it.\n\nAnother.")
        #expect(
            parts == [
                .paragraph("One line and the next."), .asItIs("  example 1\n  example 2"),
                .paragraph("After it."), .paragraph("Another."),
            ])
        #expect(TextWrap.parts(of: "") == [])
    }

    @Test(arguments: [1, 7, 20, 200]) func noLineIsWiderThanAsked(width: Int) {
        let text = "The exit code is 0 if every point was read, and 69 if a unit was silent."
        let lines = TextWrap.lines(of: text, width: width)
        #expect(lines.joined(separator: " ") == text)
        for line in lines { #expect(line.count <= width || !line.contains(" "), "\(line)") }
    }
}
