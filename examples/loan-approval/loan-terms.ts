import {
  defineFeatureService,
  defineOnDemandFeatureView,
  defineRequestSource,
  Float64,
  Int64,
} from 'sideboard';
import { creditHistory, zipcodeFeatures } from './features.ts';

/** What nobody can know beforehand: it comes with the request. */
const application = defineRequestSource({ name: 'application', schema: { amount: Int64 } });

/**
 * Computed for every request, of stored features and of what is asked for. Columns in, columns out: one value per row of the
 * request, null where nothing is known. The compiler knows their names and types.
 */
export const debtBurden = defineOnDemandFeatureView({
  name: 'debt_burden',
  sources: [
    creditHistory.select('credit_card_due', 'mortgage_due', 'student_loan_due', 'vehicle_loan_due'),
    zipcodeFeatures.select('total_wages', 'tax_returns_filed'),
    application,
  ],
  schema: { debt: Int64, years_of_local_income: Float64 },
  compute({
    credit_card_due: card,
    mortgage_due: mortgage,
    student_loan_due: student,
    vehicle_loan_due: vehicle,
    total_wages: wages,
    tax_returns_filed: returns,
    amount,
  }) {
    // Who has no vehicle loan owes nothing for it; of whom nothing is known, no debt is known.
    const debt = mortgage.map((due, row) =>
      due === null ? null : due + (card[row] ?? 0n) + (student[row] ?? 0n) + (vehicle[row] ?? 0n),
    );
    const years = debt.map((owed, row) => {
      const [sum, count, asked] = [wages[row], returns[row], amount[row]];
      if (owed === null || !sum || !count) return null;
      return Number(owed + (asked ?? 0n)) / (Number(sum) / Number(count));
    });
    return { debt, years_of_local_income: years };
  },
  owner: 'risk@example.com',
});

/** What a clerk sees who names the terms of a loan: stored and computed features side by side. */
export const loanTerms = defineFeatureService({
  name: 'loan_terms',
  features: [
    debtBurden,
    creditHistory.select('missed_payments_1y'),
    zipcodeFeatures.select('city'),
  ],
  description: 'Features for the terms of a loan',
  owner: 'risk@example.com',
});
