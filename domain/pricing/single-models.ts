// The models of one quantity, by name: those that a price may have by itself, and a cell of a matrix too. A model is
// one file of this folder, a type and a row here; one without a row does not compile.
import { type CostPlusPrice, costPlus } from './models/cost-plus.ts';
import { type GraduatedPrice, graduated } from './models/graduated.ts';
import { type GraduatedPercentagePrice, graduatedPercentage } from './models/graduated-percentage.ts';
import { type PackagePrice, packaged } from './models/package.ts';
import { type PerUnitPrice, perUnit } from './models/per-unit.ts';
import { type StairstepPrice, stairstep } from './models/stairstep.ts';
import { type TieredPackagePrice, tieredPackage } from './models/tiered-package.ts';
import { type VolumePrice, volume } from './models/volume.ts';
import type { UsageModel, UsagePriceFields } from './price-model.ts';

export type SinglePrice =
  | PerUnitPrice
  | GraduatedPrice
  | VolumePrice
  | PackagePrice
  | StairstepPrice
  | TieredPackagePrice
  | GraduatedPercentagePrice
  | CostPlusPrice;

type SingleModels = {
  readonly [Name in SinglePrice['model']]: UsageModel<Extract<SinglePrice, { model: Name }>>;
};

export const singleModels: SingleModels = {
  per_unit: perUnit,
  graduated,
  volume,
  package: packaged,
  stairstep,
  tiered_package: tieredPackage,
  graduated_percentage: graduatedPercentage,
  cost_plus: costPlus,
};

export const singleModelNames = Object.keys(singleModels) as readonly SinglePrice['model'][];

// The registry pairs each price with its model; only the compiler can't follow a pairing through an index.
export type AnyUsageModel = UsageModel<UsagePriceFields & Record<string, unknown>>;
export const singleModelOf = (name: SinglePrice['model']): AnyUsageModel => singleModels[name] as AnyUsageModel;
