import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  defineFileSource,
  field,
  Int64,
  String as Text,
} from 'sideboard';

export const zipcode = defineEntity({
  name: 'zipcode',
  valueType: Int64,
  description: 'Where the applicant lives',
});

export const dobSsn = defineEntity({
  name: 'dob_ssn',
  valueType: Text,
  description:
    'The applicant: date of birth and the last four digits of the social security number',
});

export const zipcodeFeatures = defineFeatureView({
  name: 'zipcode_features',
  entities: [zipcode],
  ttl: { days: 3650 },
  source: defineFileSource({
    name: 'zipcode_table',
    path: 'data/zipcode_table.parquet',
    timestampField: 'event_timestamp',
    createdTimestampColumn: 'created_timestamp',
  }),
  schema: {
    city: Text,
    state: Text,
    location_type: Text,
    tax_returns_filed: Int64,
    population: Int64,
    total_wages: field(Int64, { description: 'Of all tax returns, in US dollars' }),
  },
  tags: { team: 'risk' },
  owner: 'risk@example.com',
});

export const creditHistory = defineFeatureView({
  name: 'credit_history',
  entities: [dobSsn],
  ttl: { days: 90 },
  source: defineFileSource({
    name: 'credit_history',
    path: 'data/credit_history.parquet',
    timestampField: 'event_timestamp',
    createdTimestampColumn: 'created_timestamp',
  }),
  schema: {
    credit_card_due: Int64,
    mortgage_due: Int64,
    student_loan_due: Int64,
    vehicle_loan_due: Int64,
    hard_pulls: Int64,
    missed_payments_2y: Int64,
    missed_payments_1y: Int64,
    missed_payments_6m: Int64,
    bankruptcies: Int64,
  },
  tags: { team: 'risk' },
  owner: 'risk@example.com',
});

/** What the model reads to decide about a loan. `select('typo')` would not compile. */
export const loanDecision = defineFeatureService({
  name: 'loan_decision',
  features: [zipcodeFeatures.select('city', 'state', 'population', 'total_wages'), creditHistory],
  description: 'Features of the loan decision model',
  owner: 'risk@example.com',
});
