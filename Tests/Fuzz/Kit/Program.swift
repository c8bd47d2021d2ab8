import Base
import Glibc

/// Runs one input as libFuzzer's entry point does. An input that takes more processor time than the
/// target's budget is a fault, as a trap is. It is run again before that is believed: the first run
/// fills tables and maps memory. With `FIELDGW_FUZZ_UNTIMED` in the environment no time is looked
/// at: a test must not depend on how fast its machine is.
package func runBudgeted<Target: FuzzTarget>(
    _: Target.Type, _ data: UnsafePointer<UInt8>?, _ count: Int
) -> CInt {
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    guard getenv("FIELDGW_FUZZ_UNTIMED") == nil else {
        Target.run(input)
        return 0
    }
    let budget = Target.budget.nanoseconds
    var spent: Int64 = 0
    for _ in 0..<3 {
        let start = processorTime()
        Target.run(input)
        spent = processorTime() - start
        if spent <= budget { return 0 }
    }
    fatalError(
        "one input takes \(spent / 1_000_000) ms of processor time; \(budget / 1_000_000) ms are allowed"
    )
}

/// Of this thread, in nanoseconds.
private func processorTime() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
