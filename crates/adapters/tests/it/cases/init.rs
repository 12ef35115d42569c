//! `init` writes a description that needs no edit but names.

use std::fs;

use tempfile::TempDir;

use crate::environment::run_in;

/// The description that `init` writes, its exit code, and the measures that `check` then shows.
async fn init(name: &str, content: &[u8]) -> (String, i32, Vec<String>) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    let init = run_in(folder.path(), &["init", name], &[]).await.unwrap();
    fs::write(folder.path().join("source.toml"), &init.stdout).unwrap();
    let check = run_in(folder.path(), &["check", "--source", "source.toml"], &[]).await.unwrap();
    let run = run_in(folder.path(), &["run", "--dry-run", "--source", "source.toml"], &[]).await.unwrap();
    let measures = check.stdout.lines().filter_map(|line| line.split_once(": EXPERIMENT, "));
    let measures = measures.map(|(_, measure)| measure.to_owned()).collect();
    (format!("{init:?}\n{run:?}"), if init.code == 0 { run.code } else { init.code }, measures)
}

#[tokio::test]
async fn init_describes_tables_up_to_names() {
    let toa5 = "\"TOA5\",\"STN\",\"CR1000\",\"0\"\r\n\"TIMESTAMP\",\"RECORD\",\"Level_m\",\"Temp_C_Avg\"\r\n\"TS\",\"RN\",\"m\",\"Deg C\"\r\n\"\",\"\",\"Smp\",\"Avg\"\r\n\"2022-01-11 20:30:00\",0,\"NAN\",\"NAN\"\r\n\"2022-01-17 22:40:00\",1,0.756,30.18\r\n";
    for (name, content, expected) in [
        (
            "station.dat",
            toa5,
            vec!["0.756 metre at 2022-01-17T22:40:00Z", "30.18 degree Celsius at 2022-01-17T22:40:00Z"],
        ),
        (
            "excel.csv",
            "Station 7\nDatum;Zeit;T [\u{b0}C];Druck [hPa]\n06.04.2022;09:09:00,5;20,5;1013,25\n06.04.2022;09:10:00,5;20,4;1013,3\n",
            vec![
                "20.5 degree Celsius at 2022-04-06T09:09:00.5Z",
                "101325.0 pascal at 2022-04-06T09:09:00.5Z",
                "20.4 degree Celsius at 2022-04-06T09:10:00.5Z",
                "101330.0 pascal at 2022-04-06T09:10:00.5Z",
            ],
        ),
        (
            "semicolon.csv",
            "Zeit;T [\u{b0}C];Druck [hPa]\n06.04.2022 09:09:00;20,5;1013,25\n06.04.2022 09:10:00;20,4;1013,3\n",
            vec![
                "20.5 degree Celsius at 2022-04-06T09:09:00Z",
                "101325.0 pascal at 2022-04-06T09:09:00Z",
                "20.4 degree Celsius at 2022-04-06T09:10:00Z",
                "101330.0 pascal at 2022-04-06T09:10:00Z",
            ],
        ),
        (
            "licor.data",
            "Model:\tanalyzer\nTimezone:\tEurope/Berlin\nDATAH\tSeconds\tNanoseconds\tDate\tTime\tBlock Temperature (C)\nDATA\t1481490002\t550000000\t2016-12-11\t22:00:02:550\t29.4\n",
            vec!["29.4 degree Celsius at 2016-12-11T21:00:02.55Z"],
        ),
        (
            "scope.csv",
            "x-axis,1\nsecond,Volt\n-3.2E-03,+4.938E+00\n+0.0E+00,+4.902E+00\n",
            vec!["4.938 volt at 1999-12-31T23:59:59.9968Z", "4.902 volt at 2000-01-01T00:00:00Z"],
        ),
        (
            "comma.csv",
            "time,Temperature (C)\r2022-04-06T07:00:00Z,1.5\r2022-04-06T07:01:00Z,2.5\r",
            vec!["1.5 degree Celsius at 2022-04-06T07:00:00Z", "2.5 degree Celsius at 2022-04-06T07:01:00Z"],
        ),
        (
            "split.csv",
            "date,time,v (mV)\n2022-01-06,09:09:00,100\n2022-07-06,09:09:00,200\n",
            vec!["0.1 volt at 2022-01-06T09:09:00Z", "0.2 volt at 2022-07-06T09:09:00Z"],
        ),
    ] {
        let (said, code, measures) = init(name, content.as_bytes()).await;
        assert_eq!(
            (code, measures),
            (0, expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()),
            "{name}: {said}"
        );
    }
}

#[tokio::test]
async fn init_describes_documents_and_lines_up_to_names() {
    for (name, content, expected) in [
        (
            "events.ndjson",
            "{\"Time\":\"2022-04-06T07:00:00Z\",\"BME280\":{\"Temperature\":21.5,\"Pressure\":1013.2}}\n{\"Time\":\"2022-04-06T07:01:00Z\",\"BME280\":{\"Temperature\":21.6,\"Pressure\":null}}\n{\"Time\":\"2022-04-06T07:02:00Z\",\"BME280\":{\"Temperature\":NaN}}\n",
            vec![
                "1013.2 MEASURE at 2022-04-06T07:00:00Z",
                "21.5 MEASURE at 2022-04-06T07:00:00Z",
                "21.6 MEASURE at 2022-04-06T07:01:00Z",
            ],
        ),
        (
            "archiver.json",
            "[{\"meta\":{\"name\":\"DEV:TEMP\",\"EGU\":\"C\"},\"data\":[{\"secs\":1650000000,\"nanos\":5000000,\"val\":21.5},{\"secs\":1650000001,\"nanos\":1000000000,\"val\":21.7}]}]",
            vec!["21.5 MEASURE at 2022-04-15T05:20:00.005Z", "21.7 MEASURE at 2022-04-15T05:20:02Z"],
        ),
        (
            "hourly.json",
            "{\"place\": \"roof\", \"hourly\": {\"time\": [1650000000, 1650003600], \"v (mV)\": [1, null]}}",
            vec!["0.001 volt at 2022-04-15T05:20:00Z"],
        ),
        (
            "pairs.json",
            "{\"data\": {\"points\": [{\"x\": {\"t\": 1650000000000}, \"y\": [1, 2]}, {\"x\": {\"t\": 1650000001000}, \"y\": [3, 4]}]}}",
            vec![
                "1.0 MEASURE at 2022-04-15T05:20:00Z",
                "2.0 MEASURE at 2022-04-15T05:20:00Z",
                "3.0 MEASURE at 2022-04-15T05:20:01Z",
                "4.0 MEASURE at 2022-04-15T05:20:01Z",
            ],
        ),
        (
            "one.json",
            "{\"t\": \"2022-04-06T07:00:00Z\", \"value\": 1, \"unit\": \"mV\"}",
            vec!["0.001 volt at 2022-04-06T07:00:00Z"],
        ),
        (
            "sparse.xml",
            "<r><s t=\"1650000000\"><c unit=\"K\">21.5</c><p>101320</p></s><s t=\"1650000060\"><c unit=\"K\">21.6</c></s></r>",
            vec![
                "21.5 kelvin at 2022-04-15T05:20:00Z",
                "101320.0 MEASURE at 2022-04-15T05:20:00Z",
                "21.6 kelvin at 2022-04-15T05:21:00Z",
            ],
        ),
        (
            "run.xml",
            "<?xml version=\"1.0\" encoding=\"utf-16\"?>\r\n<Run><Sample At=\"1650000000\"><Value>1.5</Value></Sample>\r\n<Sample At=\"1650000001\"><Value>1.25</Value></Sample></Run>\r\n",
            vec!["1.5 MEASURE at 2022-04-15T05:20:00Z", "1.25 MEASURE at 2022-04-15T05:20:01Z"],
        ),
        (
            "spectrum.xml",
            "<spectrum><channel unit='hertz'><sample at='1650000000000'>1.5</sample><sample at='1650000000001'>1.25</sample></channel></spectrum>",
            vec!["1.5 MEASURE at 2022-04-15T05:20:00Z", "1.25 MEASURE at 2022-04-15T05:20:00.001Z"],
        ),
        (
            "text.log",
            "2022-04-06 07:00:00 T=21.5\r2022-04-06 07:01:00 T=21.6\r2022-04-06 07:02:00 T=21.7\r",
            vec![
                "21.5 MEASURE at 2022-04-06T07:00:00Z",
                "21.6 MEASURE at 2022-04-06T07:01:00Z",
                "21.7 MEASURE at 2022-04-06T07:02:00Z",
            ],
        ),
        (
            "sensor.log",
            "# sensor 4, cabinet B\n2022-04-06 09:09:00,250 T=21.53 C RH=40%\n2022-04-06 09:10:00,250 T=--.-- C RH=41%\n2022-04-06 09:11:00,250 T=21.61 C RH=41%\n",
            vec![
                "21.53 degree Celsius at 2022-04-06T09:09:00.25Z",
                "40.0 percent at 2022-04-06T09:09:00.25Z",
                "41.0 percent at 2022-04-06T09:10:00.25Z",
                "21.61 degree Celsius at 2022-04-06T09:11:00.25Z",
                "41.0 percent at 2022-04-06T09:11:00.25Z",
            ],
        ),
        (
            "columns.txt",
            "1650000000 1.5 -2e3\n1650000001 1.25 7\n",
            vec![
                "1.5 MEASURE at 2022-04-15T05:20:00Z",
                "-2000.0 MEASURE at 2022-04-15T05:20:00Z",
                "1.25 MEASURE at 2022-04-15T05:20:01Z",
                "7.0 MEASURE at 2022-04-15T05:20:01Z",
            ],
        ),
        (
            "dmm.csv",
            "time,a,b\n2022-02-17T12:21:56Z,656.9,-9999\n2022-02-17T12:21:57Z,9.99999999e+37,-9999.0\n2022-02-17T12:22:02Z,0.0488,7\n",
            vec![
                "656.9 MEASURE at 2022-02-17T12:21:56Z",
                "0.0488 MEASURE at 2022-02-17T12:22:02Z",
                "7.0 MEASURE at 2022-02-17T12:22:02Z",
            ],
        ),
        (
            "mega.csv",
            "time,f [MHz],g [mHz]\n2024-01-01 23:50:00,1,1\n2024-01-02,2,2\n",
            vec![
                "1000000.0 hertz at 2024-01-01T23:50:00Z",
                "0.001 hertz at 2024-01-01T23:50:00Z",
                "2000000.0 hertz at 2024-01-02T00:00:00Z",
                "0.002 hertz at 2024-01-02T00:00:00Z",
            ],
        ),
    ] {
        let (said, code, measures) = init(name, content.as_bytes()).await;
        assert_eq!(
            (code, measures),
            (0, expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()),
            "{name}: {said}"
        );
    }
    let (said, code, _) = init("dates.csv", b"date,v\n01/02/2022 10:00,1\n03/02/2022 10:00,2\n").await;
    assert!(code == 0 && said.contains("or is the month first?"), "{said}");
    let (said, code, measures) = init("numbers.txt", b"1.5\n2.5\n").await;
    assert!(code == 0 && measures.len() == 2 && said.contains("arrival = true"), "{said}");
    let (said, code, measures) =
        init("syslog", b"Apr  6 07:09:00 lab sensord[12]: T=21.5\nApr 16 07:09:01 lab sensord[7]: T=21.6\n")
            .await;
    assert!(code == 0 && measures.len() == 2 && said.contains("current"), "{said}");
}

#[tokio::test]
async fn files_without_times_and_numbers_are_refused() {
    for content in [&b""[..], b"\0\0\0", b"just words\nand more\n", b"{\"a\": 1}\n", b"a,b\n", b"\xff\xfe\0"]
    {
        let (said, code, _) = init("file", content).await;
        assert!(code == 2 && said.contains("docs/adapters.md"), "{content:?}: {said}");
    }
}
