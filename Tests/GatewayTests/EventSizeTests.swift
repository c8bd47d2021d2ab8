import Base
import Drivers
import Gateway
import Line
import Testing

/// Copied several times in each exchange on a line: one large case would make all of them large.
@Suite struct EventSizeTests {
    @Test func eventsAndEffectsAreSmall() {
        #expect(MemoryLayout<Event>.size <= 48 && MemoryLayout<Effect>.size <= 48)
        #expect(MemoryLayout<LineEvent>.size <= 16 && MemoryLayout<LineOutput>.size <= 48)
    }
}
