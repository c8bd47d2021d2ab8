import Base

/// A reply that is to be there when the line is looked at.
package struct ReplyForecast: Hashable, Sendable {
    /// From the end of our transmission to the beginning of the reply. Less than zero where replies
    /// come faster than the line carries them.
    package var pause: Duration
    /// After the pause and the reply.
    package var slack: Duration

    package init(pause: Duration, slack: Duration) {
        self.pause = pause
        self.slack = slack
    }
}
