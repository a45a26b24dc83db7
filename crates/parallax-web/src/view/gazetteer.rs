//! The places the map and the sentences know by name: a small table, to the city at best.

/// Latitude and longitude of a known city, else of the middle of the country.
pub(crate) fn position(country: &str, city: Option<&str>) -> Option<(f64, f64)> {
    let city = city.and_then(|name| CITIES.iter().find(|c| c.0 == country && c.1 == name));
    city.or_else(|| COUNTRIES.iter().find(|c| c.0 == country)).map(|c| (c.2, c.3))
}

/// A country's name as it stands after "in".
pub(crate) fn country_name(code: &str) -> Option<&'static str> {
    COUNTRIES.iter().find(|c| c.0 == code).map(|c| c.1)
}

/// Cities with many networks: country, name, latitude, longitude.
#[rustfmt::skip]
const CITIES: &[(&str, &str, f64, f64)] = &[
    ("AE", "Dubai", 25.2, 55.3), ("AR", "Buenos Aires", -34.6, -58.4), ("AT", "Vienna", 48.2, 16.4),
    ("AU", "Melbourne", -37.8, 145.0), ("AU", "Perth", -32.0, 115.9), ("AU", "Sydney", -33.9, 151.2),
    ("BE", "Brussels", 50.8, 4.4), ("BR", "Rio de Janeiro", -22.9, -43.2), ("BR", "São Paulo", -23.6, -46.6),
    ("CA", "Montreal", 45.5, -73.6), ("CA", "Toronto", 43.7, -79.4), ("CA", "Vancouver", 49.3, -123.1),
    ("CH", "Zurich", 47.4, 8.5), ("CL", "Santiago", -33.4, -70.7), ("CO", "Bogotá", 4.7, -74.1),
    ("CZ", "Prague", 50.1, 14.4), ("DE", "Berlin", 52.5, 13.4), ("DE", "Frankfurt", 50.1, 8.7),
    ("DE", "Hamburg", 53.6, 10.0), ("DE", "Munich", 48.1, 11.6), ("EG", "Cairo", 30.0, 31.2),
    ("ES", "Madrid", 40.4, -3.7), ("FI", "Helsinki", 60.2, 24.9), ("FR", "Marseille", 43.3, 5.4),
    ("FR", "Paris", 48.9, 2.4), ("GB", "London", 51.5, -0.1), ("GB", "Manchester", 53.5, -2.2),
    ("HK", "Hong Kong", 22.3, 114.2), ("ID", "Jakarta", -6.2, 106.8), ("IE", "Dublin", 53.3, -6.3),
    ("IL", "Tel Aviv", 32.1, 34.8), ("IN", "Bengaluru", 13.0, 77.6), ("IN", "Delhi", 28.6, 77.2),
    ("IN", "Mumbai", 19.1, 72.9), ("IT", "Milan", 45.5, 9.2), ("IT", "Rome", 41.9, 12.5),
    ("JP", "Osaka", 34.7, 135.5), ("JP", "Tokyo", 35.7, 139.7), ("KE", "Nairobi", -1.3, 36.8),
    ("KR", "Seoul", 37.6, 127.0), ("LK", "Colombo", 6.9, 79.9), ("MX", "Mexico City", 19.4, -99.1),
    ("NG", "Lagos", 6.5, 3.4), ("NL", "Amsterdam", 52.4, 4.9), ("NO", "Oslo", 59.9, 10.8),
    ("NZ", "Auckland", -36.8, 174.8), ("PE", "Lima", -12.0, -77.0), ("PH", "Manila", 14.6, 121.0),
    ("PL", "Warsaw", 52.2, 21.0), ("PT", "Lisbon", 38.7, -9.1), ("SE", "Stockholm", 59.3, 18.1),
    ("SG", "Singapore", 1.35, 103.8), ("TR", "Istanbul", 41.0, 29.0), ("TW", "Taipei", 25.0, 121.6),
    ("US", "Ashburn", 39.0, -77.5), ("US", "Atlanta", 33.7, -84.4), ("US", "Boston", 42.4, -71.1),
    ("US", "Chicago", 41.9, -87.6), ("US", "Dallas", 32.8, -96.8), ("US", "Denver", 39.7, -105.0),
    ("US", "Los Angeles", 34.1, -118.2), ("US", "Miami", 25.8, -80.2), ("US", "New York", 40.7, -74.0),
    ("US", "San Francisco", 37.8, -122.4), ("US", "Seattle", 47.6, -122.3), ("ZA", "Cape Town", -33.9, 18.4),
    ("ZA", "Johannesburg", -26.2, 28.0),
];

/// Where most people of a country live, roughly: ISO code, name as it stands after "in", latitude, longitude.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str, f64, f64)] = &[
    ("AD", "Andorra", 42.5, 1.5), ("AE", "the United Arab Emirates", 24.5, 54.5),
    ("AF", "Afghanistan", 34.0, 67.0), ("AL", "Albania", 41.3, 19.9), ("AM", "Armenia", 40.2, 44.6),
    ("AO", "Angola", -9.0, 14.0), ("AR", "Argentina", -34.0, -61.0), ("AT", "Austria", 48.0, 15.5),
    ("AU", "Australia", -33.0, 148.0), ("AZ", "Azerbaijan", 40.4, 49.0),
    ("BA", "Bosnia and Herzegovina", 44.0, 18.0), ("BD", "Bangladesh", 23.8, 90.4),
    ("BE", "Belgium", 50.8, 4.5), ("BG", "Bulgaria", 42.7, 24.5), ("BO", "Bolivia", -17.0, -66.0),
    ("BR", "Brazil", -20.0, -47.0), ("BY", "Belarus", 53.7, 28.0), ("CA", "Canada", 45.0, -76.0),
    ("CD", "DR Congo", -4.3, 17.0), ("CH", "Switzerland", 47.0, 8.0), ("CI", "Ivory Coast", 5.8, -4.5),
    ("CL", "Chile", -33.5, -70.8), ("CM", "Cameroon", 4.0, 11.0), ("CN", "China", 33.0, 113.0),
    ("CO", "Colombia", 4.7, -74.5), ("CR", "Costa Rica", 10.0, -84.1), ("CU", "Cuba", 22.5, -80.0),
    ("CY", "Cyprus", 35.1, 33.3), ("CZ", "Czechia", 49.8, 15.0), ("DE", "Germany", 51.0, 10.0),
    ("DK", "Denmark", 55.7, 11.5), ("DO", "the Dominican Republic", 18.6, -70.0),
    ("DZ", "Algeria", 36.2, 3.0), ("EC", "Ecuador", -1.5, -79.0), ("EE", "Estonia", 59.0, 25.5),
    ("EG", "Egypt", 29.5, 31.2), ("ES", "Spain", 40.2, -3.5), ("ET", "Ethiopia", 9.0, 38.8),
    ("FI", "Finland", 61.0, 25.0), ("FR", "France", 47.5, 2.5), ("GB", "the United Kingdom", 52.8, -1.5),
    ("GE", "Georgia", 41.8, 44.5), ("GH", "Ghana", 6.2, -1.0), ("GR", "Greece", 38.5, 23.5),
    ("GT", "Guatemala", 14.6, -90.5), ("HK", "Hong Kong", 22.3, 114.2), ("HN", "Honduras", 14.5, -87.0),
    ("HR", "Croatia", 45.6, 16.0), ("HU", "Hungary", 47.3, 19.2), ("ID", "Indonesia", -7.0, 110.0),
    ("IE", "Ireland", 53.2, -7.0), ("IL", "Israel", 32.0, 34.9), ("IN", "India", 22.0, 78.5),
    ("IQ", "Iraq", 33.0, 44.3), ("IR", "Iran", 34.5, 51.5), ("IS", "Iceland", 64.5, -20.0),
    ("IT", "Italy", 43.0, 12.0), ("JM", "Jamaica", 18.1, -77.0), ("JO", "Jordan", 31.8, 36.0),
    ("JP", "Japan", 35.6, 138.0), ("KE", "Kenya", -0.8, 37.0), ("KG", "Kyrgyzstan", 42.0, 74.5),
    ("KH", "Cambodia", 11.8, 104.8), ("KR", "South Korea", 36.8, 127.5), ("KW", "Kuwait", 29.3, 47.8),
    ("KZ", "Kazakhstan", 47.0, 72.0), ("LA", "Laos", 18.5, 103.0), ("LB", "Lebanon", 33.9, 35.7),
    ("LK", "Sri Lanka", 7.2, 80.2), ("LT", "Lithuania", 55.2, 24.0), ("LU", "Luxembourg", 49.7, 6.1),
    ("LV", "Latvia", 56.9, 24.8), ("LY", "Libya", 32.0, 15.0), ("MA", "Morocco", 33.0, -7.0),
    ("MD", "Moldova", 47.0, 28.8), ("ME", "Montenegro", 42.6, 19.2), ("MG", "Madagascar", -19.0, 47.0),
    ("MK", "North Macedonia", 41.6, 21.6), ("MM", "Myanmar", 18.5, 96.0), ("MN", "Mongolia", 47.5, 106.0),
    ("MT", "Malta", 35.9, 14.4), ("MX", "Mexico", 20.5, -100.5), ("MY", "Malaysia", 3.3, 102.0),
    ("MZ", "Mozambique", -20.0, 34.5), ("NA", "Namibia", -22.5, 17.0), ("NG", "Nigeria", 8.5, 7.0),
    ("NI", "Nicaragua", 12.2, -86.0), ("NL", "the Netherlands", 52.2, 5.2), ("NO", "Norway", 60.8, 9.5),
    ("NP", "Nepal", 27.8, 85.0), ("NZ", "New Zealand", -38.5, 175.8), ("OM", "Oman", 23.0, 57.8),
    ("PA", "Panama", 9.0, -79.8), ("PE", "Peru", -11.0, -76.5), ("PH", "the Philippines", 14.2, 121.2),
    ("PK", "Pakistan", 30.5, 71.5), ("PL", "Poland", 52.0, 19.5), ("PR", "Puerto Rico", 18.3, -66.4),
    ("PT", "Portugal", 39.5, -8.5), ("PY", "Paraguay", -25.3, -57.3), ("QA", "Qatar", 25.3, 51.4),
    ("RO", "Romania", 45.5, 25.5), ("RS", "Serbia", 44.3, 20.8), ("RU", "Russia", 55.5, 40.0),
    ("RW", "Rwanda", -2.0, 30.0), ("SA", "Saudi Arabia", 24.5, 45.5), ("SD", "Sudan", 15.3, 32.5),
    ("SE", "Sweden", 59.0, 16.0), ("SG", "Singapore", 1.4, 103.8), ("SI", "Slovenia", 46.1, 14.8),
    ("SK", "Slovakia", 48.6, 19.0), ("SN", "Senegal", 14.6, -16.8), ("SV", "El Salvador", 13.7, -89.1),
    ("SY", "Syria", 34.5, 37.0), ("TH", "Thailand", 14.5, 100.8), ("TN", "Tunisia", 36.0, 10.0),
    ("TR", "Türkiye", 39.5, 32.0), ("TW", "Taiwan", 24.3, 120.8), ("TZ", "Tanzania", -6.0, 36.5),
    ("UA", "Ukraine", 49.2, 31.0), ("UG", "Uganda", 0.6, 32.5), ("US", "the USA", 39.0, -90.0),
    ("UY", "Uruguay", -34.6, -56.0), ("UZ", "Uzbekistan", 41.0, 66.5), ("VE", "Venezuela", 10.0, -67.5),
    ("VN", "Vietnam", 15.5, 107.0), ("ZA", "South Africa", -28.0, 27.5), ("ZM", "Zambia", -14.0, 28.0),
    ("ZW", "Zimbabwe", -18.5, 30.5),
];
