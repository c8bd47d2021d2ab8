import Base

extension ConfigurationReader {
    mutating func readSpool(_ field: Field) -> Configuration.Spool? {
        guard var cursor = ObjectCursor(field, "\"spool\"", problems) else { return nil }
        var spool = Configuration.Spool()
        spool.directory = cursor.located("directory").map(resolve)
        spool.maxBytes = cursor.size("maxBytes", in: (1 << 20)...(1 << 40)) ?? spool.maxBytes
        spool.minFree = cursor.size("minFree", in: 0...(1 << 40)) ?? spool.minFree
        spool.maxAge =
            cursor.duration("maxAge", in: .seconds(60)...(.seconds(3650 * 86_400))) ?? spool.maxAge
        // A message of the bridge holds 256 KiB; some of it is the envelope.
        spool.maxRecord = cursor.size("maxRecord", in: 256...(255 << 10)) ?? spool.maxRecord
        spool.share = cursor.number("share", in: 0.01...1, default: spool.share)
        spool.whenFull = cursor.choice("whenFull", default: spool.whenFull)
        spool.publish = cursor.choice("publish", default: spool.publish)
        spool.sync = cursor.duration("sync", in: .milliseconds(10)...(.seconds(60))) ?? spool.sync
        // By default a small journal keeps a small reserve.
        spool.priorityReserve = min(spool.priorityReserve, spool.maxBytes / 8)
        if let reserve = cursor.size("priorityReserve", in: 0...(1 << 40)) {
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
