import Base

extension Alarms {
    /// The section `alarms` of a configuration.
    package struct Settings: Hashable, Sendable {
        /// How long there may be no bridge before that is an alarm, and a critical problem.
        package var bridgeAway = Duration.seconds(600)

        package init() {}
    }
}

extension Alarms.Settings {
    /// Nil, and reported, if it is no object.
    init?(_ field: Field, _ problems: Problems) {
        guard var cursor = ObjectCursor(field, "\"alarms\"", problems, TopKeys.alarms) else {
            return nil
        }
        bridgeAway = cursor.duration("bridgeAway")
        cursor.finish()
    }
}
