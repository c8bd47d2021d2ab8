import CLinux
import Glibc

/// Set-up of a long-running process: first of all, and when its start is over.
package enum Startup {
    /// Before any thread and any descriptor of our own.
    ///
    /// Makes sure that descriptors 0, 1 and 2 are taken, so that no journal file gets one of them
    /// and then a log line, and ignores the signals that would kill us for a closed socket or a
    /// full quota. All threads share one heap: helpers allocate little, and seldom at the same
    /// time.
    package static func prepare() {
        reserveStandardStreams()
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        _ = clinux_timer_slack(1)
        clinux_one_heap()
    }

    /// After the start, and whenever something unusual is over: it touched a lot of code that is
    /// not needed again soon, and a small board has better uses for the memory. What is needed
    /// comes back from the page cache: that costs about a tenth of a millisecond.
    package static func releasePages() { clinux_release_pages() }

    private static func reserveStandardStreams() {
        for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 {
            // open(2) answers the lowest free number, which is this one.
            _ = clinux_open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY, 0)
        }
    }
}
