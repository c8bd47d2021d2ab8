import Base
import MQTT
import Simulators
import Testing

/// The Cloud IoT v1 admin API, and that what it changes is in force at once.
@Suite struct AdminTests {
    private let plant = AdminBench.plant
    private let key = """
        {"publicKey":{"format":"ES256_PEM","key":"-----BEGIN PUBLIC KEY-----\\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkhyLKBnmFMw2jPn2Lx4Kv7zAPmLkL2Rj\\n\
        vLcbqNIrgA7rSTvHfYP3OZ9ZZn/9xDSxVTkGmMz5O9qyj5bPBRUYQw==\\n-----END PUBLIC KEY-----\\n"}}
        """

    @Test func registriesAreMadeListedChangedAndDeleted() {
        var bench = AdminBench([])
        let base = "/v1/projects/acme/locations/us-central1/registries"
        let made = bench.ask(
            "POST", base,
            """
            {"id":"plant","eventNotificationConfigs":[{"pubsubTopicName":"projects/acme/topics/alarms","subfolderMatches":"alarms"},
             {"pubsubTopicName":"projects/acme/topics/events"}],"stateNotificationConfig":{"pubsubTopicName":"projects/acme/topics/state"}}
            """)
        #expect(made.status == 200)
        #expect(made.json["name"]?.string == "projects/acme/locations/us-central1/registries/plant")
        #expect(made.json["mqttConfig"]?["mqttEnabledState"]?.string == "MQTT_ENABLED")
        let again = bench.ask("POST", base, "{\"id\":\"plant\"}")
        #expect(again.status == 409)
        #expect(again.json["error"]?["status"]?.string == "ALREADY_EXISTS")
        #expect(again.json["error"]?["code"]?.integer == 409)
        #expect(bench.ask("POST", base, "{\"id\":\"goog-x\"}").status == 400)
        #expect(bench.ask("GET", base).json["deviceRegistries"]?.array?.count == 1)
        #expect(
            bench.ask("GET", "/v1/projects/acme/locations/europe-west1/registries").json[
                "deviceRegistries"]?.array?.count == 0)
        #expect(bench.ask("PATCH", "\(base)/plant", "{}").status == 400, "a mask is needed")
        #expect(
            bench.ask("PATCH", "\(base)/plant?updateMask=id", "{\"id\":\"other\"}").status == 400)
        let changed = bench.ask(
            "PATCH", "\(base)/plant?updateMask=mqtt_config",
            "{\"mqttConfig\":{\"mqttEnabledState\":\"MQTT_DISABLED\"}}")
        #expect(changed.json["mqttConfig"]?["mqttEnabledState"]?.string == "MQTT_DISABLED")
        #expect(changed.json["eventNotificationConfigs"]?.array?.count == 2)
        #expect(bench.ask("DELETE", "\(base)/plant").status == 200)
        #expect(bench.ask("GET", "\(base)/plant").json["error"]?["status"]?.string == "NOT_FOUND")
    }

    @Test func aDeviceHasTheShapesOfTheDiscoveryDocument() throws {
        var bench = AdminBench()
        let made = bench.ask(
            "POST", "\(plant)/devices",
            """
            {"id":"new-1","credentials":[\(key)],"metadata":{"site":"north"},"config":{"binaryData":"e30="},"logLevel":"INFO"}
            """)
        #expect(made.status == 200, "\(made.json)")
        let number = try #require(made.json["numId"]?.string)
        #expect(UInt64(number.string) != nil)
        #expect(
            made.json["name"]?.string?.hasSuffix("/devices/\(number)") == true,
            "a name ends in the numeric id")
        #expect(made.json["config"]?["version"]?.string == "1")
        #expect(made.json["config"]?["binaryData"]?.string == "e30=")
        #expect(made.json["config"]?["cloudUpdateTime"]?.string == "2027-01-15T08:00:00.000Z")
        #expect(
            made.json["credentials"]?.array?.first?["publicKey"]?["format"]?.string == "ES256_PEM")
        #expect(made.json["gatewayConfig"]?["gatewayType"]?.string == "NON_GATEWAY")
        #expect(bench.ask("GET", "\(plant)/devices/\(number)").json["id"]?.string == "new-1")
        let masked = bench.ask("GET", "\(plant)/devices/new-1?fieldMask=metadata,log_level").json
        #expect(masked.members?.map(\.name) == ["id", "numId", "logLevel", "metadata"])
        #expect(bench.ask("POST", "\(plant)/devices", "{\"id\":\"new-1\"}").status == 409)
        #expect(bench.ask("GET", "\(plant)/devices/nobody").status == 404)
    }

    @Test(arguments: [
        "{\"id\":\"ab\"}", "{\"id\":\"a+b+c\"}", "{\"id\":\"new-1\",\"bloked\":true}", "{\"id\":7}",
        "[]", "{",
        "{\"id\":\"new-1\",\"credentials\":[{},{},{},{}]}",
        "{\"id\":\"new-1\",\"credentials\":[{\"publicKey\":{\"format\":\"PEM\",\"key\":\"\"}}]}",
        "{\"id\":\"new-1\",\"credentials\":[{\"publicKey\":{\"format\":\"RSA_PEM\",\"key\":\"-----BEGIN PUBLIC KEY-----\"}}]}",
        "{\"id\":\"new-1\",\"config\":{\"version\":\"3\"}}",
        "{\"id\":\"new-1\",\"config\":{\"binaryData\":\"*\"}}",
        "{\"id\":\"new-1\",\"metadata\":{\"a\":1}}",
        "{\"id\":\"new-1\",\"gatewayConfig\":{\"gatewayType\":\"ROUTER\"}}",
    ]) func aWrongDeviceIsRefusedWithInvalidArgument(_ body: String) {
        var bench = AdminBench()
        let answer = bench.ask("POST", "\(plant)/devices", body)
        #expect(answer.status == 400)
        #expect(answer.json["error"]?["status"]?.string == "INVALID_ARGUMENT", "\(answer.json)")
        #expect(bench.plant.registry.devices["new-1"] == nil)
    }

    @Test func namesMayBeInSnakeCaseToo() {
        var bench = AdminBench()
        let made = bench.ask(
            "POST", "\(plant)/devices",
            """
            {"id":"gw-new","gateway_config":{"gateway_type":"GATEWAY","gateway_auth_method":"ASSOCIATION_ONLY"}}
            """)
        #expect(made.json["gatewayConfig"]?["gatewayAuthMethod"]?.string == "ASSOCIATION_ONLY")
    }

    @Test func listsHavePagesAndFilters() {
        var bench = AdminBench()
        func ids(_ json: JSON) -> [ByteString] {
            json["devices"]?.array?.compactMap { $0["id"]?.string } ?? []
        }
        let all: [ByteString] = ["gw-7", "gw-8", "loner", "meter-1", "meter-2", "meter-3"]
        #expect(ids(bench.ask("GET", "\(plant)/devices").json) == all)
        var paged: [ByteString] = []
        var token: ByteString = ""
        for _ in 0..<4 {
            let page = bench.ask("GET", "\(plant)/devices?pageSize=2&pageToken=\(token)").json
            paged += ids(page)
            token = page["nextPageToken"]?.string ?? ""
            if token.isEmpty { break }
        }
        #expect(paged == all && token.isEmpty)
        let options = "\(plant)/devices?gatewayListOptions."
        #expect(ids(bench.ask("GET", options + "gatewayType=GATEWAY").json) == ["gw-7", "gw-8"])
        #expect(
            ids(bench.ask("GET", options + "gatewayType=NON_GATEWAY").json) == [
                "loner", "meter-1", "meter-2", "meter-3",
            ])
        #expect(ids(bench.ask("GET", options + "associationsGatewayId=gw-8").json) == ["meter-1"])
        #expect(
            ids(bench.ask("GET", options + "associationsDeviceId=meter-1").json) == [
                "gw-7", "gw-8",
            ])
        #expect(
            ids(bench.ask("GET", "\(plant)/devices?deviceIds=loner&deviceIds=ghost").json) == [
                "loner"
            ])
        let number = bench.plant.registry.numericID(of: "meter-2")
        #expect(
            ids(bench.ask("GET", "\(plant)/devices?deviceNumIds=\(number)").json) == ["meter-2"])
        for wrong in [
            "pageSize=-1", "pageToken=!", "gatewayListOptions.gatewayType=X",
            "deviceIds=a&deviceNumIds=1",
        ] {
            #expect(bench.ask("GET", "\(plant)/devices?\(wrong)").status == 400, "\(wrong)")
        }
    }

    @Test func aDeviceBoundOverHTTPCanBeAttachedAndUnbindingDetachesIt() {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        _ = bench.subscribe(gateway, "/devices/gw-7/errors", .atMostOnce)
        #expect(bench.ask("POST", "\(plant)/devices", "{\"id\":\"new-1\"}").status == 200)
        #expect(errors(bench.publish(gateway, "/devices/new-1/attach")).count == 1)
        let pair = "{\"gatewayId\":\"gw-7\",\"deviceId\":\"new-1\"}"
        #expect(bench.ask("POST", "\(plant):bindDeviceToGateway", pair).status == 200)
        #expect(bench.publish(gateway, "/devices/new-1/attach") == puback)
        let refused = bench.ask("DELETE", "\(plant)/devices/new-1")
        #expect(
            refused.json["error"]?["message"]?.string?.contains(" it's associated with ") == true)
        #expect(
            bench.ask("DELETE", "\(plant)/devices/gw-7").json["error"]?["message"]?.string?
                .contains(" it has associated devices.") == true)
        #expect(bench.ask("POST", "\(plant):unbindDeviceFromGateway", pair).status == 200)
        let told = errors(bench.packets(for: gateway))
        #expect(told.first?["error_type"]?.string == "GATEWAY_DETACHMENT_DEVICE_ERROR")
        #expect(bench.ask("DELETE", "\(plant)/devices/new-1").status == 200)
        #expect(bench.ask("POST", "\(plant):bindDeviceToGateway", pair).status == 404)
        let wrong = "{\"gatewayId\":\"meter-1\",\"deviceId\":\"meter-2\"}"
        #expect(bench.ask("POST", "\(plant):bindDeviceToGateway", wrong).status == 400)
    }

    @Test func blockingAndNewCredentialsTakeEffectAtOnce() {
        var bench = AdminBench()
        let loner = bench.client()
        #expect(bench.connect(loner, "loner", key: 5) == 0)
        #expect(
            bench.ask("PATCH", "\(plant)/devices/loner?updateMask=blocked", "{\"blocked\":true}")
                .status == 200)
        #expect(bench.closed.contains(loner))
        let second = bench.client()
        #expect(bench.connect(second, "loner", key: 5) == 5)
        #expect(
            bench.ask("PATCH", "\(plant)/devices/loner?updateMask=blocked,credentials", "{}").json[
                "blocked"]?.bool == false)
        let third = bench.client()
        #expect(bench.connect(third, "loner", key: 5) == 5, "the key is gone")
        for mask in ["id", "config", "num_id", "state"] {
            #expect(
                bench.ask("PATCH", "\(plant)/devices/loner?updateMask=\(mask)", "{}").status == 400,
                "\(mask)")
        }
    }

    @Test func configVersionsCountAndRememberTheirAcknowledgement() throws {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        let modify = "\(plant)/devices/gw-7:modifyCloudToDeviceConfig"
        let first = bench.ask("POST", modify, "{\"versionToUpdate\":\"0\",\"binaryData\":\"AQID\"}")
            .json
        #expect(first["version"]?.string == "2")
        #expect(first["deviceAckTime"] == nil)
        #expect(
            bench.ask("POST", modify, "{\"versionToUpdate\":\"1\",\"binaryData\":\"\"}").json[
                "error"]?["status"]?.string == "FAILED_PRECONDITION")
        let pushed = try #require(messages(bench.subscribe(gateway, "/devices/gw-7/config")).first)
        #expect(pushed.payload == [1, 2, 3])
        _ = bench.exchange(gateway, .puback(Puback(try #require(pushed.packetID))))
        for number in 3...14 {
            let answer = bench.ask(
                "POST", modify, "{\"versionToUpdate\":\"\(number - 1)\",\"binaryData\":\"AA==\"}"
            ).json
            #expect(answer["version"]?.string == "\(number)")
        }
        let versions =
            bench.ask("GET", "\(plant)/devices/gw-7/configVersions").json["deviceConfigs"]?.array
            ?? []
        #expect(versions.map { $0["version"]?.string } == (5...14).reversed().map { "\($0)" })
        #expect(
            bench.ask("GET", "\(plant)/devices/gw-7/configVersions?numVersions=2").json[
                "deviceConfigs"]?.array?.count == 2)
        let device = bench.ask(
            "GET", "\(plant)/devices/gw-7?fieldMask=last_config_ack_time,last_config_send_time"
        ).json
        #expect(device["lastConfigAckTime"] != nil && device["lastConfigSendTime"] != nil)
        let large = String(repeating: "A", count: 87_384)
        #expect(bench.ask("POST", modify, "{\"binaryData\":\"\(large)\"}").status == 400)
    }

    @Test func theLastTenStatesAreKept() {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        for number in 0..<12 {
            #expect(bench.publish(gateway, "/devices/gw-7/state", "\(number)") == puback)
            bench.wait(.seconds(2))
        }
        let states =
            bench.ask("GET", "\(plant)/devices/gw-7/states").json["deviceStates"]?.array ?? []
        #expect(
            states.map { $0["binaryData"]?.string.flatMap { Base64.decode($0.string) } }
                == (2..<12).reversed().map { Array("\($0)".utf8) })
        #expect(
            bench.ask("GET", "\(plant)/devices/gw-7/states?numStates=1").json["deviceStates"]?
                .array?.count == 1)
    }

    @Test func aCommandNeedsASubscriberAndWaitsForItsPuback() throws {
        var bench = AdminBench()
        let send = "\(plant)/devices/gw-7:sendCommandToDevice"
        let body = "{\"binaryData\":\"aGk=\",\"subfolder\":\"a/b\"}"
        #expect(
            bench.ask("POST", send, body).json["error"]?["status"]?.string == "FAILED_PRECONDITION")
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        let unheard = bench.ask("POST", send, body)
        #expect(unheard.status == 400)
        #expect(
            unheard.json["error"]?["message"]?.string?.contains(
                "not subscribed to the commands topic") == true)
        _ = bench.subscribe(gateway, "/devices/gw-7/commands/#")
        let http = bench.open()
        bench.send(http, AdminBench.request("POST", send, body))
        #expect(bench.received[http] == nil, "the answer waits for the PUBACK")
        let command = try #require(messages(bench.packets(for: gateway)).first)
        #expect(command.topic.text == "/devices/gw-7/commands/a/b")
        _ = bench.exchange(gateway, .puback(Puback(try #require(command.packetID))))
        #expect(AdminBench.answer(bench.received[http] ?? []).status == 200)
        // Without a PUBACK, and when the connection goes, it is DEADLINE_EXCEEDED.
        let late = bench.open()
        bench.send(late, AdminBench.request("POST", send, body))
        bench.wait(.seconds(30))
        #expect(AdminBench.answer(bench.received[late] ?? []).status == 504)
        let cut = bench.open()
        bench.send(cut, AdminBench.request("POST", send, body))
        bench.cloud.disconnected(gateway, at: bench.now)
        bench.settle()
        #expect(
            AdminBench.answer(bench.received[cut] ?? []).json["error"]?["status"]?.string
                == "DEADLINE_EXCEEDED")
        #expect(bench.ask("POST", send, "{\"binaryData\":\"\",\"subfolder\":\"#\"}").status == 400)
    }

    @Test func messagesStatusAndOrdersAreTheEmulatorsOwn() {
        var bench = AdminBench()
        let gateway = bench.client()
        #expect(bench.connect(gateway, "gw-7") == 0)
        for number in 1...3 {
            _ = bench.publish(gateway, "/devices/gw-7/events/a", "{\"n\":\(number)}")
        }
        let page = bench.ask("GET", "/emulator/messages?from=2&max=1").json
        #expect(page["messages"]?.array?.first?["payload"]?["n"]?.integer == 2)
        #expect(page["next"]?.integer == 3)
        let status = bench.ask("GET", "/emulator/status").json["registries"]?.array?.first
        #expect(status?["online"]?.array?.first?["device"]?.string == "gw-7")
        #expect(status?["counts"]?["events"]?.integer == 3)
        #expect(
            bench.ask("POST", "/emulator/orders", "# a comment\nrefuse 5 10s\nclose\n").json[
                "obeyed"]?.integer == 2)
        #expect(bench.closed.contains(gateway))
        let other = bench.client()
        #expect(bench.connect(other, "gw-7") == 5)
        let wrong = bench.ask("POST", "/emulator/orders", "detatch meter-1")
        #expect(
            wrong.json["error"]?["message"]?.string?.contains("did you mean \"detach\"?") == true)
    }

    @Test func webPagesAndOtherHostsGetNothing() {
        var bench = AdminBench()
        for header in [
            "Host: evil.example", "Host: localhost\r\nOrigin: http://evil.example",
            "Host: 127.0.0.1.evil.example",
        ] {
            let id = bench.open()
            bench.send(id, "GET /emulator/status HTTP/1.1\r\n\(header)\r\n\r\n")
            #expect(AdminBench.answer(bench.received[id] ?? []).status == 403, "\(header)")
        }
        #expect(bench.ask("GET", "/v1/nothing").status == 404)
        #expect(bench.ask("POST", "\(plant):getIamPolicy", "{}").status == 501)
        #expect(bench.ask("PUT", "\(plant)/devices/gw-7", "{}").status == 501)
    }
}
