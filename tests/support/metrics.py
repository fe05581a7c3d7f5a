"""What CloudWatch has of a metric that a service of the house measures."""

import datetime

AN_HOUR = datetime.timedelta(hours=1)


def values(cloudwatch, namespace, metric, statistic="Sum", **dimensions):
    """A statistic of each of the hours around now, of those that have any."""
    now = datetime.datetime.now(datetime.UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - AN_HOUR,
        EndTime=now + AN_HOUR,
        Period=3600,
        Statistics=[statistic],
    )["Datapoints"]
    return [point[statistic] for point in points]
