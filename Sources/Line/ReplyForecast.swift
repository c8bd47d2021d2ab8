import Base

/// A reply that is to be there when the line is looked at.
package struct ReplyForecast: Hashable, Sendable {
    /// From the end of our transmission to the beginning of the reply. Less than zero where replies
    /// come faster than the line carries them.
    let pause: Duration
    /// After the pause and the reply.
    let slack: Duration

    package init(pause: Duration, slack: Duration) {
        self.pause = pause
        self.slack = slack
    }
}
