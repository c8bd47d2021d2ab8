import Base
import Platform
import Testing

@Suite struct NoticeLimiterTests {
    private static func refusal(_ number: Int, _ subject: String = "dev-1") -> Notice {
        Notice(.warning, "gateway", subject, "a config document is refused: \(number)", kind: .peer)
    }

    private static func at(_ seconds: Int) -> Instant { .zero + .seconds(seconds) }

    /// 75,000 refused documents a second, each with another reason, wrote 55 MB in 6 s.
    @Test func aFloodIsABurstAndThenALineAPeriodWithTheCount() {
        var limiter = NoticeLimiter()
        var told: [Notice] = []
        for number in 0..<60_000 {
            let now = Instant.zero + .milliseconds(number)
            told += limiter.timeout(at: now) + limiter.receive(Self.refusal(number), at: now)
        }
        told += limiter.timeout(at: Self.at(1000), all: true)
        #expect(told.count <= 10 + 7)
        #expect(told.prefix(10).map(\.message) == (0..<10).map { Self.refusal($0).message })
        #expect(told[10].message.hasSuffix("more like this were not logged"))
        let hidden = told.dropFirst(10).reduce(0) { sum, notice in
            let words = notice.message.split(separator: " ")
            return sum + 1 + (words.firstIndex(of: "more").flatMap { Int(words[$0 - 1]) } ?? 0)
        }
        #expect(10 + hidden == 60_000, "every line is written or counted")
    }

    @Test func anotherSourceAndAnotherKindComeThrough() {
        var limiter = NoticeLimiter()
        for number in 0..<1000 { _ = limiter.receive(Self.refusal(number), at: Self.at(1)) }
        let others = [
            Self.refusal(1, "dev-2"), Notice(.warning, "gateway", "dev-1", "offline"),
            Notice(.info, "gateway", "dev-1", "in force", kind: .peer),
            Notice(.warning, "bridge", "dev-1", "lost", kind: .peer),
        ]
        for notice in others { #expect(limiter.receive(notice, at: Self.at(1)) == [notice]) }
    }

    /// A line of 115200 baud has some hundred frames a second, which are wanted then.
    @Test func framesAreBoundedWhereTheyAreMade() {
        var limiter = NoticeLimiter()
        for number in 0..<1000 {
            let frame = Notice(.debug, "wire", "bus-a", "frame \(number)")
            #expect(limiter.receive(frame, at: Self.at(1)) == [frame])
        }
        #expect(limiter.deadline == nil)
    }

    @Test func aQuietSourceHasItsBurstBack() {
        var limiter = NoticeLimiter()
        for number in 0..<30 { _ = limiter.receive(Self.refusal(number), at: Self.at(0)) }
        #expect(limiter.deadline == Self.at(10))
        #expect(limiter.timeout(at: Self.at(9)).isEmpty)
        #expect(
            limiter.timeout(at: Self.at(10)).map(\.message) == [
                "a config document is refused: 29; 19 more like this were not logged"
            ])
        #expect(limiter.deadline == nil)
        let later = (0..<12).flatMap { limiter.receive(Self.refusal($0), at: Self.at(1000)) }
        #expect(later.count == 10)
    }

    /// Names come from outside too.
    @Test func sourcesAreBoundedAndNoCountIsLost() {
        var limiter = NoticeLimiter()
        var told = 0
        for source in 0..<10_000 {
            for number in 0..<20 {
                told += limiter.receive(Self.refusal(number, "s\(source)"), at: Self.at(0)).count
            }
        }
        told += limiter.timeout(at: Self.at(0), all: true).count
        #expect(told == 10_000 * 11)
    }
}
