import Base

extension ConfigurationReader {
    mutating func readSpool(_ field: Field) -> Configuration.Spool? {
        guard var cursor = ObjectCursor(field, "\"spool\"", problems, TopKeys.spool) else {
            return nil
        }
        var spool = Configuration.Spool()
        spool.directory = cursor.located("directory").map(resolve)
        spool.maxBytes = cursor.size("maxBytes")
        spool.minFree = cursor.size("minFree")
        spool.maxAge = cursor.duration("maxAge")
        spool.maxRecord = cursor.size("maxRecord")
        spool.share = cursor.ratio("share")
        spool.whenFull = cursor.choice("whenFull")
        spool.publish = cursor.choice("publish")
        spool.sync = cursor.duration("sync")
        // By default a small journal keeps a small reserve.
        spool.priorityReserve = min(spool.priorityReserve, spool.maxBytes / 8)
        if let reserve = cursor.givenSize("priorityReserve") {
            if reserve > spool.maxBytes / 2, let place = cursor.take("priorityReserve")?.place {
                problems.error(
                    place,
                    "\"priorityReserve\" is \(Quantity.describe(bytes: reserve)), more than half of "
                        + "\"maxBytes\" (\(Quantity.describe(bytes: spool.maxBytes)))")
            }
            spool.priorityReserve = reserve
        }
        cursor.finish()
        return spool
    }
}
