import Base
import Drivers
import Modbus
import Testing
import TestKit

/// Replies that come late, or twice: a value that is given out as good is what its request was
/// answered with.
@Suite struct LateTests {
    /// Four points of one shape, a response timeout of 300 ms: one reply in ten is a second late,
    /// or each is 0.75 s late. A window of time after the timeout gave 12 wrong values of 116, and
    /// 16 of 24.
    @Test(arguments: [(0.1, 3.33), (1.0, 2.5), (0.3, 1.1), (0.5, 9.9)])
    func aLateReplyIsNotTakenForThatOfTheNextRequest(_ share: Double, _ lateness: Double) {
        var total = LateTrial.Result()
        for seed in 1...10 as ClosedRange<UInt64> {
            var trial = LateTrial(units: [.init(late: share, lateness: lateness...lateness)])
            trial.seed = seed
            total += trial.run(for: .seconds(60))
        }
        #expect(total.wrong == 0, "\(total.wrong) of \(total.good)")
        // Who is always later than two timeouts and a quarter has no good values; the others have.
        if share * lateness < 2 { #expect(total.good > 500, "\(total.good)") }
    }

    /// Each reply comes again: of 100 values 70, 68 and 49 were wrong.
    @Test(arguments: [3, 5, 10, 20], [true, false])
    func aReplyThatComesTwiceAnswersOnce(_ gap: Int64, _ inOrder: Bool) {
        for baud in [9600, 19_200, 115_200] {
            for (share, turnaround) in [
                (1.0, Duration.milliseconds(5)), (0.2, .milliseconds(2)), (1, .milliseconds(30)),
            ] {
                let pause = Duration.milliseconds(gap)
                var trial = LateTrial(units: [
                    .init(twice: share, gap: pause...pause, inOrder: inOrder)
                ])
                trial.baud = baud
                trial.turnaround = turnaround
                let result = trial.run(for: .seconds(60))
                #expect(result.wrong == 0, "\(result.wrong) of \(result.good) at \(baud), \(share)")
                #expect(
                    result.good > 200 && result.share > 0.95,
                    "\(result.good) good, \(result.bad) bad")
            }
        }
    }

    /// Trials that once gave out a wrong value: an answer in doubt when the line was closed, and a
    /// repeat in place of a reply that was later than the response timeout.
    @Test(arguments: [48, 377] as [UInt64]) func noWrongValueAgain(_ seed: UInt64) {
        let trial = LateTrial.random(seed)
        let result = trial.run(for: trial.every * 120)
        #expect(result.wrong == 0, "\(result.wrong) of \(result.good)\n\(result.story)")
    }

    // MARK: any of it

    static let cases = Effort.long(8...400)

    /// Lateness, repeats, damage, commands and closed lines at random.
    @Test(arguments: cases) func noWrongValueEver(_ block: Int) {
        for seed in UInt64(block * 4)..<UInt64(block * 4 + 4) {
            let trial = LateTrial.random(seed)
            let result = trial.run(for: trial.every * 120)
            #expect(
                result.wrong == 0,
                "seed \(seed): \(result.wrong) of \(result.good)\n\(result.story)")
            if trial.isMild {
                #expect(
                    result.share >= 0.8,
                    "seed \(seed): \(result.good) good, \(result.bad) bad\n\(trial)")
            }
        }
    }
}

extension LateTrial {
    static func random(_ seed: UInt64) -> LateTrial {
        var random = RandomSource(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        func pick<T>(_ choices: [T]) -> T { choices[Int(random.next() % UInt64(choices.count))] }
        let count = pick([1, 1, 2, 8])
        let sick = pick([1, 1, count])
        var trial = LateTrial(units: [])
        for number in 0..<count {
            var unit = Unit()
            if number < sick {
                unit.late = pick([0, 0.02, 0.1, 0.5, 1])
                let least = random.uniform(0.1, 2)
                unit.lateness = least...max(least, pick([0.9, 1.5, 1.9, 3, 10]))
                unit.twice = pick([0, 0, 0.02, 0.1, 0.5, 1])
                let gap = pick([3, 5, 10, 25, 50])
                let shortest = pick([0, Double(gap)])
                unit.gap = .milliseconds(Int64(shortest))...Duration.milliseconds(Int64(gap))
                unit.inOrder = random.chance(0.7)
                unit.damage = pick([0, 0, 0, 0.02])
                unit.ignoresUnknown = random.chance(0.2)
            }
            trial.units.append(unit)
        }
        trial.points = pick(Points.allCases)
        trial.baud = pick([9600, 19_200, 115_200])
        trial.timeout = pick([.milliseconds(100), .milliseconds(300), .milliseconds(1000)])
        trial.every = pick([.milliseconds(100), .seconds(1), .seconds(1), .seconds(5)])
        trial.turnaround = .microseconds(Int64(random.uniform(500, 40_000)))
        trial.isRestless = random.chance(0.4)
        trial.echoesDiagnostics = random.chance(0.7)
        trial.seed = seed
        return trial
    }

    /// Nobody is later than two response timeouts.
    var isMild: Bool {
        !isRestless
            && units.allSatisfy { unit in
                unit.lateness.upperBound * unit.late.rounded(.up) <= 1.9 && !unit.ignoresUnknown
            }
    }
}
